//! The identity facts of one mapped Patient: all that matching needs, and nothing more.
//!
//! Names and postcodes are kept as hashes of their folded text, so a fact is small and shows nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use epr_fhir::resource::Node;
use epr_model::nhs_number::NhsNumberRange;
use epr_model::{NhsNumber, ResourceId};
use sha2::{Digest, Sha256};

use crate::name_fold::fold;
use crate::{LinkInput, TestNumbers};

/// The system of an NHS number's identifier. Source: UK Core, UKCore-Patient.
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// The extension that says whether the number was verified. Source: UK Core.
pub(crate) const VERIFICATION_STATUS: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
/// "Number present and verified". Source: NHS Data Dictionary, NHS NUMBER STATUS INDICATOR CODE.
const VERIFIED: &str = "01";

/// A text that is compared and never shown.
pub(crate) type Hash = u128;

/// Where a Patient came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lineage {
    /// `<organisation>/<system>/<table>`.
    pub(crate) table: Arc<str>,
    pub(crate) row_no: u64,
}

impl Lineage {
    /// Organisation and system, by which records are ranked.
    pub(crate) fn source(&self) -> (&str, &str) {
        let mut names = self.table.splitn(3, '/');
        (names.next().unwrap_or_default(), names.next().unwrap_or_default())
    }
}

/// What is known of a birth date.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Birth {
    Absent,
    /// Year, or year and month.
    Partial([u8; 7], usize),
    Full([u8; 10]),
}

impl Birth {
    fn read(text: Option<&str>) -> Self {
        let Some(bytes) = text.map(str::as_bytes) else { return Self::Absent };
        if let Ok(full) = bytes.try_into() {
            return Self::Full(full);
        }
        let mut partial = [0; 7];
        match bytes.len() {
            n @ (4 | 7) => {
                partial[..n].copy_from_slice(bytes);
                Self::Partial(partial, n)
            }
            _ => Self::Absent,
        }
    }

    fn known(&self) -> &[u8] {
        match self {
            Self::Absent => &[],
            Self::Partial(bytes, n) => &bytes[..*n],
            Self::Full(bytes) => bytes,
        }
    }

    /// Whether both may be the birth date of one person.
    pub(crate) fn compatible(&self, other: &Self) -> bool {
        let (a, b) = (self.known(), other.known());
        a.starts_with(b) || b.starts_with(a)
    }
}

/// Whether a number may identify a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Unverified,
    Verified,
}

/// One mapped Patient, as matching sees it.
pub(crate) struct Facts {
    pub(crate) id: ResourceId,
    pub(crate) lineage: Lineage,
    /// Valid numbers, each once, with its best standing.
    pub(crate) numbers: Vec<(NhsNumber, Standing)>,
    pub(crate) birth: Birth,
    /// Current and former family names.
    pub(crate) families: Vec<Hash>,
    /// First given names.
    pub(crate) givens: Vec<Hash>,
    /// Birth date, family, first given name and postcode together, for each combination that is there.
    pub(crate) blocks: Vec<Hash>,
    /// A Patient with contained resources is never merged: their ids may clash.
    pub(crate) contains: bool,
    /// Whether the record says anything of the person's death.
    pub(crate) tells_death: bool,
}

impl Facts {
    pub(crate) fn read(id: ResourceId, lineage: Lineage, patient: Node<'_>, input: &LinkInput) -> Self {
        let birth = Birth::read(patient.text("birthDate"));
        let (organisation, system) = lineage.source();
        let trusted = input.trusted.contains(&(organisation.to_owned(), system.to_owned()));
        let numbers = numbers(patient, trusted, input.test_numbers);
        let (mut families, mut givens, mut pairs) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for name in patient.get("name").into_iter().flat_map(Node::items) {
            let family = name.text("family").map(fold).filter(|f| !f.is_empty());
            let given = name.get("given").and_then(|g| g.items().next()).and_then(Node::as_str);
            let given = given.map(fold).filter(|g| !g.is_empty());
            families.extend(family.as_deref().map(|f| hash(&[f.as_bytes()])));
            givens.extend(given.as_deref().map(|g| hash(&[g.as_bytes()])));
            pairs.extend(family.zip(given));
        }
        let postcodes: BTreeSet<String> = patient
            .get("address")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(|address| address.text("postalCode").map(fold))
            .filter(|postcode| !postcode.is_empty())
            .collect();
        let mut blocks = BTreeSet::new();
        if let Birth::Full(birth) = &birth {
            for (family, given) in &pairs {
                for postcode in &postcodes {
                    blocks.insert(hash(&[birth, family.as_bytes(), given.as_bytes(), postcode.as_bytes()]));
                }
            }
        }
        Self {
            id,
            lineage,
            numbers,
            birth,
            families: families.into_iter().collect(),
            givens: givens.into_iter().collect(),
            blocks: blocks.into_iter().collect(),
            contains: patient.get("contained").is_some(),
            tells_death: patient.get("deceasedDateTime").is_some() || patient.get("deceasedBoolean").is_some(),
        }
    }

    /// The one number that identifies this Patient, where there is exactly one.
    pub(crate) fn identity(&self) -> Option<NhsNumber> {
        let mut verified = self.verified();
        verified.next().filter(|_| verified.next().is_none())
    }

    pub(crate) fn verified(&self) -> impl Iterator<Item = NhsNumber> {
        self.numbers.iter().filter(|(_, standing)| *standing == Standing::Verified).map(|(number, _)| *number)
    }
}

/// The valid NHS numbers of a Patient. A number that is marked as old identifies nobody any more.
fn numbers(patient: Node<'_>, trusted: bool, test_numbers: TestNumbers) -> Vec<(NhsNumber, Standing)> {
    let mut numbers: Vec<(NhsNumber, Standing)> = Vec::new();
    for identifier in patient.get("identifier").into_iter().flat_map(Node::items) {
        if identifier.text("system") != Some(NHS_NUMBER) {
            continue;
        }
        let Some(Ok(number)) = identifier.text("value").map(NhsNumber::parse) else { continue };
        let usable = identifier.text("use") != Some("old")
            && (number.range() != NhsNumberRange::Test || test_numbers == TestNumbers::Identify);
        let verified = match verification_status(identifier) {
            Some(status) => status == VERIFIED,
            None => trusted,
        };
        let standing = if usable && verified { Standing::Verified } else { Standing::Unverified };
        match numbers.iter_mut().find(|(known, _)| *known == number) {
            Some((_, best)) => *best = standing.max(*best),
            None => numbers.push((number, standing)),
        }
    }
    numbers
}

/// The code of the verification status; `None` where the identifier says nothing of it.
pub(crate) fn verification_status(identifier: Node<'_>) -> Option<&str> {
    let extension = identifier.get("extension")?.items().find(|e| e.text("url") == Some(VERIFICATION_STATUS))?;
    let concept = extension.get("valueCodeableConcept")?;
    concept.get("coding")?.items().find_map(|coding| coding.text("code"))
}

/// Whether an identifier carries a verified NHS number by its own status.
pub(crate) fn is_verified(identifier: Node<'_>) -> bool {
    verification_status(identifier) == Some(VERIFIED)
}

fn hash(fields: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    let digest = hasher.finalize();
    Hash::from_le_bytes(digest[..16].try_into().expect("SHA-256 has 32 bytes"))
}
