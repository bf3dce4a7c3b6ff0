//! How many bundles may be on their way at once: one more for each round that went well, half after a refusal.
//!
//! Additive increase, multiplicative decrease, as TCP does it: a server that wants one writer at a time gets one, a
//! server with room gets what it can take, and nobody has to know beforehand which it is.

use std::time::Duration;

/// The longest pause before the next try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The number of bundles that may be on their way.
#[derive(Debug)]
pub(crate) struct Window {
    size: f64,
    most: f64,
    /// Counts every bundle sent; a decrease is due once for all that were on their way together.
    n_sent: u64,
    n_sent_at_decrease: u64,
    /// Refusals since the last bundle of the kind that went well: reads, writes.
    n_refused: [u32; 2],
    /// Pauses since then, added up.
    waited: [Duration; 2],
}

/// Reads and writes are counted apart: a server that answers reads and has no time for writes has no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read = 0,
    Write = 1,
}

impl Window {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            size: 2.0_f64.min(most),
            most,
            n_sent: 0,
            n_sent_at_decrease: 0,
            n_refused: [0; 2],
            waited: [Duration::ZERO; 2],
        }
    }

    #[allow(clippy::cast_sign_loss, reason = "a size is never below one")]
    pub(crate) fn size(&self) -> usize {
        (self.size as usize).max(1)
    }

    /// A bundle goes out; its number comes back with the answer.
    pub(crate) fn sent(&mut self) -> u64 {
        self.n_sent += 1;
        self.n_sent
    }

    pub(crate) fn went_well(&mut self, kind: Kind) {
        self.size = (self.size + 1.0 / self.size).min(self.most);
        self.n_refused[kind as usize] = 0;
        self.waited[kind as usize] = Duration::ZERO;
    }

    /// The target refused for now, or did not answer. Returns how long to pause; `retry_after` is the target's wish.
    pub(crate) fn refused(&mut self, kind: Kind, number: u64, retry_after: Option<Duration>) -> Duration {
        if number > self.n_sent_at_decrease {
            self.size = (self.size / 2.0).max(1.0);
            self.n_sent_at_decrease = self.n_sent;
        }
        let n_refused = &mut self.n_refused[kind as usize];
        *n_refused += 1;
        let own = Duration::from_millis(100) * 2_u32.pow((*n_refused - 1).min(9));
        let pause = retry_after.unwrap_or(own).clamp(Duration::from_millis(20), LONGEST_PAUSE);
        self.waited[kind as usize] += pause;
        pause
    }

    /// How long the target has been refusing everything, pauses added up.
    pub(crate) fn waited(&self) -> Duration {
        self.waited[0].max(self.waited[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_by_one_a_round_and_halves_once_for_all_that_were_on_their_way() {
        let mut window = Window::new(8);
        for _ in 0..100 {
            window.went_well(Kind::Write);
        }
        assert_eq!(window.size(), 8);
        let numbers: Vec<u64> = (0..8).map(|_| window.sent()).collect();
        for number in numbers {
            window.refused(Kind::Write, number, None);
        }
        assert_eq!(window.size(), 4);
        let number = window.sent();
        window.refused(Kind::Write, number, None);
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn pauses_double_unless_the_target_says_how_long_and_end_with_the_first_success() {
        let mut window = Window::new(4);
        assert_eq!(window.refused(Kind::Write, 1, None), Duration::from_millis(100));
        assert_eq!(window.refused(Kind::Write, 1, None), Duration::from_millis(200));
        assert_eq!(window.refused(Kind::Write, 1, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(window.waited(), Duration::from_millis(3300));
        window.went_well(Kind::Read);
        assert_eq!(window.waited(), Duration::from_millis(3300), "reads that go well excuse no write");
        window.went_well(Kind::Write);
        assert_eq!(window.waited(), Duration::ZERO);
        assert_eq!(window.refused(Kind::Write, 1, Some(Duration::from_hours(1))), LONGEST_PAUSE);
    }
}
