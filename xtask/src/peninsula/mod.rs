//! A synthetic peninsula: people with lives, and what each organisation's systems export of them.
//!
//! In: a seed and a number of people. Out: a folder with every system's export, a project file and the answer key.
//! Each person follows from seed and number alone, so that a million people need no more memory than one. Nothing
//! here knows of mappings or rules: what is planted stands in the answer key.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is known of one person; what an exporter implements | [`model`] |
//! | wards, clinics, consultants, practices, towns | [`estate`] |
//! | the answer key | [`truth`] |
//! | instants, `$HOROLOG`, date texts | [`clock`] |
//! | RH8's FHIR export | [`rh8`], [`rh8_shapes`] |
//! | the hospices' books, the cancer-tracking workbook | [`hospices`], [`cancer`] |
//! | emergency attendances, NHS 111 | [`cds`], [`nhs111`] |
//! | workbooks, XML and JSON as text | [`sheets`], [`markup`], [`json`] |

pub(crate) mod cancer;
pub(crate) mod cds;
pub(crate) mod clock;
pub(crate) mod estate;
pub(crate) mod hospices;
mod json;
mod markup;
pub(crate) mod model;
pub(crate) mod nhs111;
pub(crate) mod rh8;
mod rh8_shapes;
#[cfg(test)]
mod sample;
mod sheets;
pub(crate) mod truth;
