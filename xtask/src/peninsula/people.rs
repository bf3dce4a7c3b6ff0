//! Who a person is, and how each organisation has recorded them.

use jiff::civil::{Date, DateTime, date};

use super::clock::AS_OF;
use super::dice::{Dice, Purpose, add_days};
use super::estate::{PRACTICES, TOWNS};
use super::model::{Address, Archive, FormerName, Kind, Organisation, Registration, Sex, Special};
use super::names;
use super::numbers::NhsNumbers;
use super::plan::{Part, Plan};

const TRUSTS: [Organisation; 5] =
    [Organisation::Rk9, Organisation::Ref, Organisation::Ra9, Organisation::Rbz, Organisation::Rh8];

/// What is true of a person, whoever recorded it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) number: u64,
    pub(crate) part: Part,
    /// Turns through the variants of a part, block by block.
    pub(crate) variant: u64,
    pub(crate) family: String,
    /// Latest first.
    pub(crate) former: Vec<FormerName>,
    pub(crate) given: &'static str,
    pub(crate) second: Option<&'static str>,
    pub(crate) sex: Sex,
    pub(crate) birth: Date,
    pub(crate) death: Option<DateTime>,
    /// Index of the trust nearest to the person's home.
    pub(crate) home: usize,
    pub(crate) address: Address,
    pub(crate) earlier_address: Option<Address>,
    pub(crate) ethnic: &'static str,
    pub(crate) marital: char,
    pub(crate) note: &'static str,
}

impl Identity {
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.part {
            Part::Defect(kind) => Some(kind),
            _ => None,
        }
    }

    /// The organisation at which the part's defect is planted.
    pub(crate) fn main(&self) -> Organisation {
        use Organisation::*;
        let v = self.variant as usize;
        match self.kind() {
            Some(Kind::Id01) => [Rk9, Ref, Ra9, Rbz, Hosp1][v % 5],
            Some(Kind::Id03) => [Rk9, Ref, Rbz][v % 3],
            Some(Kind::Id06 | Kind::Co04) => [Rk9, Ref, Ra9, Rbz][v % 4],
            // Only iPM has a birth date that stands for none.
            Some(Kind::Id09) if v.is_multiple_of(3) => [Rk9, Ref][v / 3 % 2],
            Some(Kind::Al02) => [Rk9, Ref, Rbz, Ra9, Hosp1, Hosp2, Hosp3][v % 7],
            Some(Kind::Rt05) if v % 5 == 2 => Ra9,
            Some(Kind::Id04 | Kind::Id05 | Kind::Rt03 | Kind::En04 | Kind::Da01) => Rh8,
            Some(
                Kind::Id07
                | Kind::Id12
                | Kind::De04
                | Kind::Ap03
                | Kind::Rt04
                | Kind::En03
                | Kind::Me01
                | Kind::Me02
                | Kind::Me03
                | Kind::Me04
                | Kind::Me05
                | Kind::Co02
                | Kind::Co03
                | Kind::Re01
                | Kind::Re02
                | Kind::Do01
                | Kind::Da04
                | Kind::Or01,
            ) => [Rk9, Ref][v % 2],
            Some(_) => TRUSTS[v % 5],
            None if matches!(self.part, Part::NumberTaken { .. }) => Ra9,
            None => TRUSTS[self.home],
        }
    }

    /// The second organisation of a defect that stands in two linked records.
    pub(crate) fn second_main(&self) -> Organisation {
        TRUSTS[(self.variant as usize + 1 + self.variant as usize / 5 % 3) % 5]
    }

    pub(crate) fn age_on(&self, day: Date) -> i16 {
        let years = day.year() - self.birth.year();
        if (day.month(), day.day()) < (self.birth.month(), self.birth.day()) { years - 1 } else { years }
    }
}

/// Who the person with this number is.
pub(crate) fn identity(seed: u64, plan: &mut Plan, number: u64) -> Identity {
    let (part, variant) = plan.part(number);
    let mut dice = Dice::new(seed, number, Purpose::Identity);
    match part {
        Part::SecondTwin => {
            let first = identity(seed, plan, number - 1);
            let sex = if dice.percent(50) { first.sex } else { Sex::Female };
            let given = another_given(&mut dice, sex, first.given);
            Identity { number, part, given, sex, second: None, note: "second twin", ..first }
        }
        Part::Son => {
            let father = identity(seed, plan, number - 1);
            let birth = dice.day(add_days(father.birth, 22 * 365), add_days(father.birth, 35 * 365));
            let note = "son of a father of the same name";
            Identity { number, part, birth, second: None, note, death: None, ..father }
        }
        _ => ordinary(&mut dice, seed, plan, number, part, variant),
    }
}

fn ordinary(dice: &mut Dice, seed: u64, plan: &mut Plan, number: u64, part: Part, variant: u64) -> Identity {
    let kind = if let Part::Defect(kind) = part { Some(kind) } else { None };
    let sex = match part {
        Part::Father => Sex::Male,
        Part::Indeterminate => Sex::Other,
        _ if dice.percent(51) => Sex::Female,
        _ => Sex::Male,
    };
    let mut family = names::family(dice);
    let given = names::given(dice, sex);
    let second = dice.percent(45).then(|| another_given(dice, sex, given));
    let mut birth = birth(dice, part);
    if kind == Some(Kind::Id03) {
        let giver = plan.number_taken_from(number);
        let giver = identity(seed, plan, giver);
        while family == giver.family {
            family = names::family(dice);
        }
        if birth == giver.birth {
            birth = add_days(birth, 400);
        }
    }
    let death = death(dice, part, birth);
    let former = former_names(dice, part, sex, birth, death, &family);
    let home = dice.below(5) as usize;
    let address = if part == Part::Homeless { no_home(dice, home) } else { address(dice, home) };
    let earlier_address = dice.percent(30).then(|| {
        let elsewhere = dice.below(5) as usize;
        self::address(dice, elsewhere)
    });
    let is_child = birth > date(2008, 11, 1);
    let marital = match () {
        () if is_child => 'S',
        () if !former.is_empty() => *dice.pick(&['M', 'M', 'D', 'W']),
        () => *dice.pick(&['S', 'S', 'M', 'M', 'D', 'W', 'P', 'N']),
    };
    let ethnic =
        *dice.pick(&["A", "A", "A", "A", "A", "A", "B", "C", "D", "G", "H", "J", "M", "N", "R", "S", "Z", "99"]);
    let note = note(part, &former, death);
    Identity {
        number,
        part,
        variant,
        family,
        former,
        given,
        second,
        sex,
        birth,
        death,
        home,
        address,
        earlier_address,
        ethnic,
        marital,
        note,
    }
}

fn note(part: Part, former: &[FormerName], death: Option<DateTime>) -> &'static str {
    match part {
        Part::Defect(_) => "plays a part in the defects",
        Part::NumberTaken { .. } => "another's record carries this person's number",
        Part::Twin => "first twin",
        Part::SecondTwin => "second twin",
        Part::Father => "father of a son of the same name",
        Part::Son => "son of a father of the same name",
        Part::Newborn => "newborn without a verified number",
        Part::Visitor => "visitor without a number",
        Part::Unverified => "number not verified",
        Part::Twice => "registered twice in one organisation",
        Part::Overlap(_) => "known to two organisations",
        Part::ClockChange => "seen and booked as the clocks change",
        Part::Indeterminate => "of indeterminate sex",
        Part::Homeless => "of no fixed abode",
        Part::Plain if former.len() > 1 => "married twice",
        Part::Plain if !former.is_empty() => "married",
        Part::Plain if death.is_some() => "died",
        Part::Plain => "",
    }
}

fn another_given(dice: &mut Dice, sex: Sex, but: &str) -> &'static str {
    loop {
        let given = names::given(dice, sex);
        if given != but {
            return given;
        }
    }
}

fn birth(dice: &mut Dice, part: Part) -> Date {
    let (first, last) = match part {
        Part::Newborn => (date(2026, 9, 22), date(2026, 10, 24)),
        Part::Father => (date(1938, 1, 1), date(1962, 12, 31)),
        Part::Defect(Kind::De01 | Kind::De02 | Kind::De03) => (date(1936, 1, 1), date(1966, 12, 31)),
        Part::Defect(_) | Part::NumberTaken { .. } => (date(1942, 1, 1), date(2004, 12, 31)),
        _ => match dice.below(100) {
            0..14 => (date(2009, 1, 1), date(2026, 6, 30)),
            14..55 => (date(1962, 1, 1), date(2008, 12, 31)),
            _ => (date(1931, 1, 1), date(1961, 12, 31)),
        },
    };
    // The first of January is a birth date that nobody knew.
    let day = dice.day(first, last);
    if (day.month(), day.day()) == (1, 1) { add_days(day, 1) } else { day }
}

fn death(dice: &mut Dice, part: Part, birth: Date) -> Option<DateTime> {
    let dies = match part {
        Part::Defect(Kind::De01 | Kind::De02 | Kind::De03) => true,
        Part::Plain => birth < date(1965, 1, 1) && dice.percent(14),
        _ => false,
    };
    dies.then(|| {
        let day = dice.day(date(2022, 1, 1), date(2026, 9, 30));
        dice.any_hour(day)
    })
}

fn former_names(
    dice: &mut Dice,
    part: Part,
    sex: Sex,
    birth: Date,
    death: Option<DateTime>,
    family: &str,
) -> Vec<FormerName> {
    let may_marry = matches!(part, Part::Plain | Part::Overlap(_) | Part::Twice);
    let chance = if sex == Sex::Female { 38 } else { 3 };
    let last = death.map_or(AS_OF, DateTime::date);
    let first = add_days(birth, 20 * 366);
    if !may_marry || first >= add_days(last, -400) || !dice.percent(chance) {
        return Vec::new();
    }
    let n = if dice.percent(15) { 2 } else { 1 };
    let mut until: Vec<Date> = (0..n).map(|_| dice.day(first, add_days(last, -30))).collect();
    until.sort_unstable();
    until.dedup();
    let mut former: Vec<FormerName> = Vec::new();
    for until in until.into_iter().rev() {
        let name = names::family(dice);
        if name != family && former.iter().all(|f| f.family != name) {
            former.push(FormerName { family: name, until });
        }
    }
    former
}

fn address(dice: &mut Dice, near: usize) -> Address {
    let (city, district) = TOWNS[near * 4 + dice.below(4) as usize];
    let line1 = names::street(dice);
    let line2 =
        dice.percent(25).then(|| format!("{} Park", dice.pick(&["Beacon", "Hillside", "Riverside", "Moorland"])));
    let letters = b"ABDEFGHJLNPQRSTUWXYZ";
    let (a, b) = (*dice.pick(letters) as char, *dice.pick(letters) as char);
    Address { line1, line2, city, postcode: format!("{district} 9{a}{b}") }
}

fn no_home(dice: &mut Dice, near: usize) -> Address {
    let (city, _) = TOWNS[near * 4];
    let postcode = (*dice.pick(&["ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 3CZ"])).to_owned();
    Address { line1: "No fixed abode".to_owned(), line2: None, city, postcode }
}

/// How each organisation has recorded the person, sorted by organisation.
pub(crate) fn registrations(seed: u64, identity: &Identity, numbers: &NhsNumbers) -> Vec<Registration> {
    let mut dice = Dice::new(seed, identity.number, Purpose::Records);
    let mut organisations = organisations(&mut dice, identity);
    organisations.sort_unstable();
    let mut registrations = Vec::new();
    for (i, organisation) in organisations.into_iter().enumerate() {
        let earlier: Option<&Registration> = registrations.last();
        let is_second = earlier.is_some_and(|r| r.organisation == organisation);
        let mut registration = register(&mut dice, identity, numbers, organisation, i);
        if is_second && identity.variant % 2 == 1 && identity.part == Part::Twice {
            registration.archive = Archive::Archived;
        }
        registrations.push(registration);
    }
    // A row that somebody entered by mistake and deleted: it must not come through.
    let main = identity.main();
    let keeps_deleted = matches!(main, Organisation::Rk9 | Organisation::Ref | Organisation::Ra9);
    if keeps_deleted && identity.part == Part::Plain && dice.percent(3) {
        let mut deleted = register(&mut dice, identity, numbers, main, registrations.len());
        deleted.archive = Archive::Deleted;
        deleted.given = Some("Testpatient".to_owned());
        deleted.former.clear();
        let at = registrations.partition_point(|r| r.organisation <= main);
        registrations.insert(at, deleted);
    }
    registrations
}

fn organisations(dice: &mut Dice, identity: &Identity) -> Vec<Organisation> {
    let main = identity.main();
    let mut chosen = vec![main];
    let may_die_elsewhere = |o: Organisation| identity.death.is_none() || o != Organisation::Nhs111;
    match identity.part {
        Part::Overlap(pair) => {
            let (one, other) = pair_of(pair);
            return vec![one, other];
        }
        Part::Defect(Kind::Id03 | Kind::Id04 | Kind::Id08 | Kind::Id09 | Kind::De02 | Kind::Da02) => return chosen,
        Part::Defect(Kind::Id05) => return vec![main, main],
        Part::Defect(Kind::Id10 | Kind::De01) => chosen.push(identity.second_main()),
        Part::Defect(Kind::Al03) if identity.variant % 2 == 1 => chosen.push(identity.second_main()),
        Part::Twice => chosen.push(main),
        Part::Newborn | Part::Visitor | Part::Unverified | Part::Indeterminate => {
            if dice.percent(40) {
                let other = *dice.pick(&TRUSTS);
                if other != main {
                    chosen.push(other);
                }
            }
            return chosen;
        }
        Part::Plain if dice.percent(12) => chosen = vec![*dice.pick(&Organisation::ALL)],
        _ => {}
    }
    let n_more = match dice.below(100) {
        0..52 => 0,
        52..80 => 1,
        80..92 => 2,
        92..97 => 3,
        _ => 4,
    };
    for _ in 0..n_more {
        let other = *dice.pick(&Organisation::ALL);
        if chosen.len() < 5 && !chosen.contains(&other) {
            chosen.push(other);
        }
    }
    chosen.retain(|o| may_die_elsewhere(*o));
    if chosen.is_empty() {
        chosen.push(main);
    }
    chosen
}

/// The n-th of all pairs of organisations.
fn pair_of(pair: u64) -> (Organisation, Organisation) {
    let mut pairs = (0..9).flat_map(|i| (i + 1..9).map(move |j| (i, j)));
    let (i, j) = pairs.nth(pair as usize).expect("there are 36 pairs");
    (Organisation::ALL[i], Organisation::ALL[j])
}

fn register(
    dice: &mut Dice,
    identity: &Identity,
    numbers: &NhsNumbers,
    organisation: Organisation,
    place: usize,
) -> Registration {
    let (nhs_number, status) = match identity.part {
        Part::Newborn => (None, Some("08")),
        Part::Visitor => (None, Some("07")),
        Part::Unverified => (Some(numbers.of(identity.number)), Some(*dice.pick(&["02", "03"]))),
        _ if organisation.is_hospice() => (Some(numbers.of(identity.number)), None),
        _ => (Some(numbers.of(identity.number)), Some("01")),
    };
    let (family, former) = recorded_names(dice, identity, organisation);
    let address = match &identity.earlier_address {
        Some(earlier) if place > 0 && dice.percent(60) => earlier.clone(),
        _ => identity.address.clone(),
    };
    let has_phone = dice.percent(70);
    let phone_number = dice.below(1000);
    let phone = has_phone.then(|| {
        if dice.percent(50) { format!("01632 960{phone_number:03}") } else { format!("07700 900{phone_number:03}") }
    });
    let email = dice.percent(15).then(|| format!("person{}@example.com", identity.number));
    Registration {
        organisation,
        row: identity.number * 10 + place as u64,
        local_number: format!("{}{:07}{place}", prefix(organisation), identity.number),
        nhs_number,
        spaced: dice.percent(30),
        status,
        family: Some(family),
        given: Some(identity.given.to_owned()),
        second: identity.second.map(str::to_owned),
        former,
        sex: Some(identity.sex),
        birth: Some(identity.birth),
        death: identity.death,
        address,
        phone,
        email,
        ethnic: identity.ethnic,
        marital: identity.marital,
        practice: &PRACTICES[identity.home * 4 + (identity.number % 4) as usize],
        archive: Archive::Live,
        special: Special { is_restricted: identity.number % 25 == 3, ..Special::default() },
        defect: None,
    }
}

/// The name in use and the others that an organisation knows. Some never heard of a marriage but as an alias;
/// where a system has no place for aliases the name is always the present one.
fn recorded_names(dice: &mut Dice, identity: &Identity, organisation: Organisation) -> (String, Vec<FormerName>) {
    let Some(latest) = identity.former.first() else { return (identity.family.clone(), Vec::new()) };
    let may_be_stale = matches!(organisation, Organisation::Rk9 | Organisation::Rbz | Organisation::Rh8);
    if may_be_stale && dice.percent(30) {
        let present = FormerName { family: identity.family.clone(), until: latest.until };
        let mut others = vec![present];
        others.extend(identity.former.iter().skip(1).cloned());
        return (latest.family.clone(), others);
    }
    let former = if organisation.is_trust() { identity.former.clone() } else { Vec::new() };
    (identity.family.clone(), former)
}

fn prefix(organisation: Organisation) -> &'static str {
    match organisation {
        Organisation::Rk9 => "D",
        Organisation::Ref => "C",
        Organisation::Ra9 => "T",
        Organisation::Rbz => "N",
        Organisation::Rh8 => "E",
        Organisation::Hosp1 => "A",
        Organisation::Hosp2 => "B",
        Organisation::Hosp3 => "H",
        Organisation::Nhs111 => "U",
    }
}
