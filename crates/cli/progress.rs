//! Progress on stderr: a bar with rate and time left on a terminal, one plain line for each finished piece elsewhere.

use std::sync::Mutex;
use std::time::Duration;

use epr_run::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A bar that is drawn again and again.
    Bar,
    /// Nothing.
    Nothing,
}

/// The bar of the piece of work at hand.
pub(crate) struct Bar {
    shown: Shown,
    current: Mutex<Option<ProgressBar>>,
}

impl Bar {
    pub(crate) fn new(shown: Shown) -> Self {
        Self { shown, current: Mutex::new(None) }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        // A bar is only drawn, so a panic elsewhere leaves nothing in it that could be wrong.
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress for Bar {
    fn begin(&self, label: &str, total: Option<u64>, unit: &'static str) {
        if self.shown == Shown::Nothing {
            return;
        }
        let template = match total {
            Some(_) => {
                format!("  {{msg:<36}} {{bar:24}} {{human_pos}} of {{human_len}} {unit}  {{per_sec}}  eta {{eta}}")
            }
            None => format!("  {{msg:<36}} {{spinner}} {{human_pos}} {unit}  {{per_sec}}"),
        };
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8)).with_style(style);
        bar.set_message(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        *self.current() = Some(bar);
    }

    fn advance(&self, n: u64) {
        if let Some(bar) = &*self.current() {
            bar.inc(n);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.current().take() {
            bar.finish_and_clear();
        }
    }
}
