//! How far two judgements agree: verdict, number of errors, faulty mutants found; and every class of difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Fault, Judged, Set};
use crate::mutants::Kind;

/// Value sets whose codes the reference cannot place offline, though a syntax or a list settles them.
const BLIND: &[&str] = &[
    "http://hl7.org/fhir/ValueSet/mimetypes",
    "http://hl7.org/fhir/ValueSet/currencies",
    "http://hl7.org/fhir/ValueSet/all-languages",
    "http://hl7.org/fhir/ValueSet/languages",
    "http://hl7.org/fhir/ValueSet/ucum-units",
    "http://hl7.org/fhir/ValueSet/iso3166-1-2",
    "http://hl7.org/fhir/ValueSet/iso3166-1-3",
];
const BLIND_IDS: &[&str] = &["UNABLE_TO_INFER_CODESYSTEM", "Terminology_TX_NoValid_16"];

/// Counts of one part of the set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    n: usize,
    n_verdict: usize,
    n_exact: usize,
    /// Mutants that the reference calls faulty: it has an error that the untouched file has not.
    n_faulty: usize,
    n_found: usize,
    /// Files with something set aside.
    n_blind: usize,
    n_failed: usize,
}

/// Files whose errors differ in the same way.
#[derive(Default)]
struct Class {
    examples: Vec<String>,
    n: usize,
    n_missed: usize,
    groups: BTreeSet<&'static str>,
}

/// Everything that a comparison comes to.
pub(crate) struct Agreement {
    parts: BTreeMap<String, Counts>,
    total: Counts,
    untouched: Counts,
    mutants: Counts,
    classes: BTreeMap<String, Class>,
    /// By message kind of the reference: how many, how many of them with an error of ours in the same place.
    messages: BTreeMap<String, (usize, usize)>,
}

/// Compares file by file.
pub(crate) fn compare(set: &Set, ours: &[Judged], theirs: &[Judged]) -> Agreement {
    let mut agreement = Agreement {
        parts: BTreeMap::new(),
        total: Counts::default(),
        untouched: Counts::default(),
        mutants: Counts::default(),
        classes: BTreeMap::new(),
        messages: BTreeMap::new(),
    };
    let seen: Vec<Seen> = (0..set.files.len()).map(|n| Seen::of(&ours[n], &theirs[n])).collect();
    for (n, input) in set.files.iter().enumerate() {
        let Seen { ours: our, theirs: their, is_blind } = &seen[n];
        let mut counts = Counts { n: 1, n_blind: usize::from(*is_blind), ..Counts::default() };
        if ours[n].failed.is_some() || theirs[n].failed.is_some() {
            counts.n_failed = 1;
        }
        counts.n_verdict = usize::from(our.is_empty() == their.is_empty());
        counts.n_exact = usize::from(our.len() == their.len());
        let mut missed = false;
        if let Some((_, base)) = input.mutant_of {
            counts.n_faulty = usize::from(has_new(their, &seen[base].theirs));
            counts.n_found = usize::from(counts.n_faulty == 1 && has_new(our, &seen[base].ours));
            missed = counts.n_faulty > counts.n_found;
        }
        let part = match input.mutant_of {
            None => format!("untouched, {}", set.groups[input.group].name),
            Some((kind, _)) => format!("mutants: {}", kind.as_str()),
        };
        agreement.parts.entry(part).or_default().add(counts);
        agreement.total.add(counts);
        let half = if input.mutant_of.is_some() { &mut agreement.mutants } else { &mut agreement.untouched };
        half.add(counts);
        agreement.note_messages(our, their);
        if counts.n_exact == 0 || missed || counts.n_failed == 1 {
            let group = set.groups[input.group].name;
            agreement.note_class(
                input.mutant_of.map(|(kind, _)| kind),
                group,
                our,
                their,
                missed,
                &input.path.display().to_string(),
                &theirs[n],
            );
        }
    }
    agreement
}

/// What counts of one file's two judgements.
pub(crate) struct Seen {
    pub(crate) ours: Vec<Fault>,
    pub(crate) theirs: Vec<Fault>,
    /// Whether something was set aside that the reference cannot judge offline.
    pub(crate) is_blind: bool,
}

impl Seen {
    /// Without what the reference cannot judge offline, and without our word on the same places.
    pub(crate) fn of(ours: &Judged, theirs: &Judged) -> Self {
        let is_blind = |fault: &Fault| {
            BLIND_IDS.contains(&fault.code.as_str()) && BLIND.iter().any(|url| fault.text.contains(url))
        };
        let places: BTreeSet<String> = theirs.errors.iter().filter(|f| is_blind(f)).map(|f| place(&f.at)).collect();
        let rest: Vec<Fault> = theirs.errors.iter().filter(|f| !is_blind(f)).cloned().collect();
        let is_theirs = |fault: &Fault| rest.iter().any(|their| place(&their.at) == place(&fault.at));
        let ours = ours.errors.iter().filter(|f| !places.contains(&place(&f.at)) || is_theirs(f));
        Self { ours: ours.cloned().collect(), is_blind: !places.is_empty(), theirs: rest }
    }
}

/// Whether there is an error that was not there before, by its kind and place.
pub(crate) fn has_new(faults: &[Fault], before: &[Fault]) -> bool {
    let mut before: Vec<&Fault> = before.iter().collect();
    faults.iter().any(|fault| match before.iter().position(|b| b.code == fault.code && b.at == fault.at) {
        Some(n) => {
            before.swap_remove(n);
            false
        }
        None => true,
    })
}

/// A place without what the two sides write differently: comments, `ofType`, choices' types, the root's name.
fn place(at: &str) -> String {
    let mut text = String::new();
    let mut rest = at;
    while let Some(from) = rest.find("/*") {
        text.push_str(&rest[..from]);
        rest = rest[from..].find("*/").map_or("", |to| &rest[from + to + 2..]);
    }
    text.push_str(rest);
    while let Some(from) = text.find(".ofType(") {
        let to = text[from..].find(')').map_or(text.len(), |n| from + n + 1);
        text.replace_range(from..to, "");
    }
    text.replace("[x]", "").replace("[0]", "")
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.n += other.n;
        self.n_verdict += other.n_verdict;
        self.n_exact += other.n_exact;
        self.n_faulty += other.n_faulty;
        self.n_found += other.n_found;
        self.n_blind += other.n_blind;
        self.n_failed += other.n_failed;
    }

    fn line(&self) -> String {
        let found = if self.n_faulty == 0 {
            String::new()
        } else {
            format!("found {} of {} ({})", self.n_found, self.n_faulty, percent(self.n_found, self.n_faulty))
        };
        format!(
            "{:>6}  verdict {:>7}  exact {:>7}  {:<28} blind {:>4}  failed {}",
            self.n,
            percent(self.n_verdict, self.n),
            percent(self.n_exact, self.n),
            found,
            self.n_blind,
            self.n_failed
        )
    }
}

fn percent(part: usize, whole: usize) -> String {
    let tenths = (part * 10_000).checked_div(whole).unwrap_or(10_000);
    format!("{}.{:02} %", tenths / 100, tenths % 100)
}

impl Agreement {
    fn note_messages(&mut self, ours: &[Fault], theirs: &[Fault]) {
        let places: BTreeSet<String> = ours.iter().map(|f| place(&f.at)).collect();
        for their in theirs {
            let (n, n_ours) = self.messages.entry(their.code.clone()).or_default();
            *n += 1;
            *n_ours += usize::from(places.contains(&place(&their.at)));
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call, and a struct would only repeat it")]
    fn note_class(
        &mut self,
        kind: Option<Kind>,
        group: &'static str,
        ours: &[Fault],
        theirs: &[Fault],
        missed: bool,
        path: &str,
        raw: &Judged,
    ) {
        // What stands in the same place on both sides is set off, one against one.
        let mut our_rest: Vec<&Fault> = Vec::new();
        let mut their_rest: Vec<&Fault> = theirs.iter().collect();
        for our in ours {
            match their_rest.iter().position(|their| place(&their.at) == place(&our.at)) {
                Some(n) => {
                    their_rest.remove(n);
                }
                None => our_rest.push(our),
            }
        }
        let codes = |faults: &[&Fault]| {
            let kinds: BTreeSet<&str> = faults.iter().map(|f| f.code.as_str()).collect();
            let kinds: Vec<&str> = kinds.into_iter().collect();
            if kinds.is_empty() { "-".to_owned() } else { kinds.join(" ") }
        };
        let key = match &raw.failed {
            Some(reason) => format!("the reference failed: {}", reason.chars().take(80).collect::<String>()),
            None => format!("ours only: {} | theirs only: {}", codes(&our_rest), codes(&their_rest)),
        };
        let key = format!("{} | {key}", kind.map_or("untouched", Kind::as_str));
        let class = self.classes.entry(key).or_default();
        class.n += 1;
        class.n_missed += usize::from(missed);
        class.groups.insert(group);
        if class.examples.len() < 3 {
            let mut text = format!("    {path}\n");
            for (side, faults) in [("ours  ", &our_rest), ("theirs", &their_rest)] {
                for fault in faults.iter().take(3) {
                    let short: String = fault.text.chars().take(230).collect();
                    let _ = writeln!(text, "      {side} {} @ {}: {short}", fault.code, fault.at);
                }
            }
            class.examples.push(text);
        }
    }

    pub(crate) fn print(&self) {
        for (name, counts) in &self.parts {
            println!("{name:<24} {}", counts.line());
        }
        println!("{:<24} {}", "untouched", self.untouched.line());
        println!("{:<24} {}", "mutants", self.mutants.line());
        println!("{:<24} {}", "all", self.total.line());
        println!("\nby message kind of the reference: how many, and how many with an error of ours in the same place");
        let mut messages: Vec<_> = self.messages.iter().collect();
        messages.sort_by_key(|(id, (n, n_ours))| (std::cmp::Reverse(n - n_ours), id.as_str()));
        for (id, (n, n_ours)) in messages.iter().take(40) {
            println!("  {n:>6} {n_ours:>6}  {id}");
        }
    }

    /// Every class of difference, the largest first, with examples.
    pub(crate) fn differences(&self) -> String {
        let mut classes: Vec<_> = self.classes.iter().collect();
        classes.sort_by_key(|(key, class)| (std::cmp::Reverse(class.n), key.as_str()));
        let mut text = format!("all     {}\nmutants {}\n\n", self.total.line(), self.mutants.line());
        for (key, class) in classes {
            let groups: Vec<&str> = class.groups.iter().copied().collect();
            let _ =
                writeln!(text, "{} × ({} faulty ones not found; {}) {key}", class.n, class.n_missed, groups.join(", "));
            class.examples.iter().for_each(|e| text.push_str(e));
        }
        text
    }

    /// Whether the goals, in per mille, are met.
    pub(crate) fn meets(&self, verdict: usize, exact: usize, found: usize) -> bool {
        let total = self.total;
        total.n_verdict * 1000 >= verdict * total.n
            && total.n_exact * 1000 >= exact * total.n
            && total.n_found * 1000 >= found * total.n_faulty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_compared_without_what_each_side_adds() {
        assert_eq!(place("Bundle.entry[1].resource/*Patient/x*/.name[0]"), "Bundle.entry[1].resource.name");
        assert_eq!(place("Observation.value.ofType(Quantity).unit"), place("Observation.value[x].unit"));
    }
}
