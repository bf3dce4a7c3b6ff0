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

pub(crate) mod clock;
pub(crate) mod estate;
pub(crate) mod model;
pub(crate) mod truth;
