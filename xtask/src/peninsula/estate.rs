//! What stands still: wards, clinics, consultants, practices, places to live.

use super::model::Organisation;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Practice {
    /// Row number, where a system refers to practices by one.
    pub(crate) row: u32,
    pub(crate) ods: &'static str,
    pub(crate) name: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Row number, where a system refers to places by one.
    pub(crate) row: u32,
    pub(crate) organisation: Organisation,
    /// At most twelve characters.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: PlaceKind,
    /// ODS site code.
    pub(crate) site: &'static str,
    /// The treatment function of a clinic; of a ward, its main one.
    pub(crate) specialty: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceKind {
    Ward,
    Clinic,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Consultant {
    /// Row number, where a system refers to staff by one.
    pub(crate) row: u32,
    pub(crate) organisation: Organisation,
    /// Seven digits from a range that the General Medical Council has not issued.
    pub(crate) gmc: &'static str,
    pub(crate) family: &'static str,
    pub(crate) given: &'static str,
    pub(crate) title: &'static str,
    pub(crate) specialty: &'static str,
}

/// What a PAS has for those of whom no practice is known; planted OR-01.
pub(crate) static NO_PRACTICE: Practice = Practice { row: 799, ods: "V81999", name: "PRACTICE CODE UNKNOWN" };

/// The treatment functions in use, with their national names.
pub(crate) const SPECIALTIES: [(&str, &str); 13] = [
    ("100", "GENERAL SURGERY"),
    ("101", "UROLOGY"),
    ("110", "TRAUMA AND ORTHOPAEDICS"),
    ("120", "ENT"),
    ("130", "OPHTHALMOLOGY"),
    ("300", "GENERAL MEDICINE"),
    ("320", "CARDIOLOGY"),
    ("330", "DERMATOLOGY"),
    ("340", "RESPIRATORY MEDICINE"),
    ("400", "NEUROLOGY"),
    ("420", "PAEDIATRICS"),
    ("430", "ELDERLY MEDICINE"),
    ("502", "GYNAECOLOGY"),
];

/// An organisation's wards; none outside the trusts.
pub(crate) fn wards(organisation: Organisation) -> &'static [Place] {
    match organisation {
        Organisation::Rk9 => &RK9_WARDS,
        Organisation::Ref => &REF_WARDS,
        Organisation::Ra9 => &RA9_WARDS,
        Organisation::Rbz => &RBZ_WARDS,
        Organisation::Rh8 => &RH8_WARDS,
        _ => &[],
    }
}

/// An organisation's clinics, one a specialty in the order of [`SPECIALTIES`]; none outside the trusts.
pub(crate) fn clinics(organisation: Organisation) -> &'static [Place] {
    match organisation {
        Organisation::Rk9 => &RK9_CLINICS,
        Organisation::Ref => &REF_CLINICS,
        Organisation::Ra9 => &RA9_CLINICS,
        Organisation::Rbz => &RBZ_CLINICS,
        Organisation::Rh8 => &RH8_CLINICS,
        _ => &[],
    }
}

/// An organisation's consultants, one a specialty in the order of [`SPECIALTIES`]; none outside the trusts.
pub(crate) fn consultants(organisation: Organisation) -> &'static [Consultant] {
    match organisation {
        Organisation::Rk9 => &RK9_CONSULTANTS,
        Organisation::Ref => &REF_CONSULTANTS,
        Organisation::Ra9 => &RA9_CONSULTANTS,
        Organisation::Rbz => &RBZ_CONSULTANTS,
        Organisation::Rh8 => &RH8_CONSULTANTS,
        _ => &[],
    }
}

const fn ward(
    organisation: Organisation,
    row: u32,
    code: &'static str,
    name: &'static str,
    site: &'static str,
    specialty: &'static str,
) -> Place {
    Place { row, organisation, code, name, kind: PlaceKind::Ward, site, specialty }
}

const fn clinic(
    organisation: Organisation,
    row: u32,
    code: &'static str,
    name: &'static str,
    site: &'static str,
    specialty: &'static str,
) -> Place {
    Place { row, organisation, code, name, kind: PlaceKind::Clinic, site, specialty }
}

const fn consultant(
    organisation: Organisation,
    row: u32,
    gmc: &'static str,
    family: &'static str,
    given: &'static str,
    title: &'static str,
    specialty: &'static str,
) -> Consultant {
    Consultant { row, organisation, gmc, family, given, title, specialty }
}

static RK9_WARDS: [Place; 6] = [
    ward(Organisation::Rk9, 101, "STONEH", "STONEHOUSE WARD", "RK950", "300"),
    ward(Organisation::Rk9, 102, "HARTLE", "HARTLEY WARD", "RK950", "100"),
    ward(Organisation::Rk9, 103, "LYNHER", "LYNHER WARD", "RK950", "110"),
    ward(Organisation::Rk9, 104, "TAMAR", "TAMAR WARD", "RK950", "320"),
    ward(Organisation::Rk9, 105, "BURRAT", "BURRATOR WARD", "RK950", "430"),
    ward(Organisation::Rk9, 106, "MELDON", "MELDON WARD", "RK950", "502"),
];

static RK9_CLINICS: [Place; 13] = [
    clinic(Organisation::Rk9, 121, "K9SUR1", "GENERAL SURGERY CLINIC", "RK950", "100"),
    clinic(Organisation::Rk9, 122, "K9URO2", "UROLOGY CLINIC", "RK950", "101"),
    clinic(Organisation::Rk9, 123, "K9ORT3", "TRAUMA AND ORTHOPAEDICS CLINIC", "RK950", "110"),
    clinic(Organisation::Rk9, 124, "K9ENT1", "ENT CLINIC", "RK950", "120"),
    clinic(Organisation::Rk9, 125, "K9EYE2", "OPHTHALMOLOGY CLINIC", "RK950", "130"),
    clinic(Organisation::Rk9, 126, "K9MED3", "GENERAL MEDICINE CLINIC", "RK950", "300"),
    clinic(Organisation::Rk9, 127, "K9CAR1", "CARDIOLOGY CLINIC", "RK950", "320"),
    clinic(Organisation::Rk9, 128, "K9DER2", "DERMATOLOGY CLINIC", "RK950", "330"),
    clinic(Organisation::Rk9, 129, "K9CHE3", "RESPIRATORY MEDICINE CLINIC", "RK950", "340"),
    clinic(Organisation::Rk9, 130, "K9NEU1", "NEUROLOGY CLINIC", "RK950", "400"),
    clinic(Organisation::Rk9, 131, "K9CHI2", "PAEDIATRICS CLINIC", "RK950", "420"),
    clinic(Organisation::Rk9, 132, "K9ELD3", "ELDERLY MEDICINE CLINIC", "RK950", "430"),
    clinic(Organisation::Rk9, 133, "K9GYN1", "GYNAECOLOGY CLINIC", "RK950", "502"),
];

static RK9_CONSULTANTS: [Consultant; 13] = [
    consultant(Organisation::Rk9, 101, "9101000", "Abbot", "Ailsa", "Mr", "100"),
    consultant(Organisation::Rk9, 102, "9102011", "Chudleigh", "Bronwen", "Dr", "101"),
    consultant(Organisation::Rk9, 103, "9103022", "Elston", "Callum", "Ms", "110"),
    consultant(Organisation::Rk9, 104, "9104033", "Gidley", "Demelza", "Dr", "120"),
    consultant(Organisation::Rk9, 105, "9105044", "Isaac", "Edmund", "Miss", "130"),
    consultant(Organisation::Rk9, 106, "9106055", "Kingdon", "Farah", "Mr", "300"),
    consultant(Organisation::Rk9, 107, "9107066", "Mudge", "Gavin", "Dr", "320"),
    consultant(Organisation::Rk9, 108, "9108077", "Oxenham", "Hina", "Ms", "330"),
    consultant(Organisation::Rk9, 109, "9109088", "Quick", "Ivor", "Dr", "340"),
    consultant(Organisation::Rk9, 110, "9110099", "Snell", "Jory", "Miss", "400"),
    consultant(Organisation::Rk9, 111, "9111110", "Uren", "Kavita", "Mr", "420"),
    consultant(Organisation::Rk9, 112, "9112121", "Westaway", "Lowenna", "Dr", "430"),
    consultant(Organisation::Rk9, 113, "9113132", "Zelley", "Morwenna", "Ms", "502"),
];

static REF_WARDS: [Place; 6] = [
    ward(Organisation::Ref, 201, "KYNANC", "KYNANCE WARD", "REF12", "300"),
    ward(Organisation::Ref, 202, "KERENS", "KERENSA WARD", "REF12", "100"),
    ward(Organisation::Ref, 203, "TINTAG", "TINTAGEL WARD", "REF12", "110"),
    ward(Organisation::Ref, 204, "WHEALC", "WHEAL COATES WARD", "REF12", "320"),
    ward(Organisation::Ref, 205, "PHOENI", "PHOENIX WARD", "REF12", "430"),
    ward(Organisation::Ref, 206, "ROSKEA", "ROSKEAR WARD", "REF12", "502"),
];

static REF_CLINICS: [Place; 13] = [
    clinic(Organisation::Ref, 221, "EFSUR1", "GENERAL SURGERY CLINIC", "REF12", "100"),
    clinic(Organisation::Ref, 222, "EFURO2", "UROLOGY CLINIC", "REF12", "101"),
    clinic(Organisation::Ref, 223, "EFORT3", "TRAUMA AND ORTHOPAEDICS CLINIC", "REF12", "110"),
    clinic(Organisation::Ref, 224, "EFENT1", "ENT CLINIC", "REF12", "120"),
    clinic(Organisation::Ref, 225, "EFEYE2", "OPHTHALMOLOGY CLINIC", "REF12", "130"),
    clinic(Organisation::Ref, 226, "EFMED3", "GENERAL MEDICINE CLINIC", "REF12", "300"),
    clinic(Organisation::Ref, 227, "EFCAR1", "CARDIOLOGY CLINIC", "REF12", "320"),
    clinic(Organisation::Ref, 228, "EFDER2", "DERMATOLOGY CLINIC", "REF12", "330"),
    clinic(Organisation::Ref, 229, "EFCHE3", "RESPIRATORY MEDICINE CLINIC", "REF12", "340"),
    clinic(Organisation::Ref, 230, "EFNEU1", "NEUROLOGY CLINIC", "REF12", "400"),
    clinic(Organisation::Ref, 231, "EFCHI2", "PAEDIATRICS CLINIC", "REF12", "420"),
    clinic(Organisation::Ref, 232, "EFELD3", "ELDERLY MEDICINE CLINIC", "REF12", "430"),
    clinic(Organisation::Ref, 233, "EFGYN1", "GYNAECOLOGY CLINIC", "REF12", "502"),
];

static REF_CONSULTANTS: [Consultant; 13] = [
    consultant(Organisation::Ref, 201, "9201037", "Furze", "Demelza", "Dr", "100"),
    consultant(Organisation::Ref, 202, "9202048", "Heard", "Edmund", "Ms", "101"),
    consultant(Organisation::Ref, 203, "9203059", "Jewell", "Farah", "Dr", "110"),
    consultant(Organisation::Ref, 204, "9204070", "Luxton", "Gavin", "Miss", "120"),
    consultant(Organisation::Ref, 205, "9205081", "Northcott", "Hina", "Mr", "130"),
    consultant(Organisation::Ref, 206, "9206092", "Pascoe", "Ivor", "Dr", "300"),
    consultant(Organisation::Ref, 207, "9207103", "Retallick", "Jory", "Ms", "320"),
    consultant(Organisation::Ref, 208, "9208114", "Tozer", "Kavita", "Dr", "330"),
    consultant(Organisation::Ref, 209, "9209125", "Vanstone", "Lowenna", "Miss", "340"),
    consultant(Organisation::Ref, 210, "9210136", "Yeo", "Morwenna", "Mr", "400"),
    consultant(Organisation::Ref, 211, "9211147", "Abbot", "Ailsa", "Dr", "420"),
    consultant(Organisation::Ref, 212, "9212158", "Chudleigh", "Bronwen", "Ms", "430"),
    consultant(Organisation::Ref, 213, "9213169", "Elston", "Callum", "Dr", "502"),
];

static RA9_WARDS: [Place; 6] = [
    ward(Organisation::Ra9, 301, "ALLERT", "ALLERTON WARD", "RA901", "300"),
    ward(Organisation::Ra9, 302, "CROMIE", "CROMIE WARD", "RA901", "100"),
    ward(Organisation::Ra9, 303, "DUNLOP", "DUNLOP WARD", "RA901", "110"),
    ward(Organisation::Ra9, 304, "ELLARO", "ELLA ROWCROFT WARD", "RA901", "320"),
    ward(Organisation::Ra9, 305, "FORRES", "FORREST WARD", "RA901", "430"),
    ward(Organisation::Ra9, 306, "SIMPSO", "SIMPSON WARD", "RA901", "502"),
];

static RA9_CLINICS: [Place; 13] = [
    clinic(Organisation::Ra9, 321, "A9SUR1", "GENERAL SURGERY CLINIC", "RA901", "100"),
    clinic(Organisation::Ra9, 322, "A9URO2", "UROLOGY CLINIC", "RA901", "101"),
    clinic(Organisation::Ra9, 323, "A9ORT3", "TRAUMA AND ORTHOPAEDICS CLINIC", "RA901", "110"),
    clinic(Organisation::Ra9, 324, "A9ENT1", "ENT CLINIC", "RA901", "120"),
    clinic(Organisation::Ra9, 325, "A9EYE2", "OPHTHALMOLOGY CLINIC", "RA901", "130"),
    clinic(Organisation::Ra9, 326, "A9MED3", "GENERAL MEDICINE CLINIC", "RA901", "300"),
    clinic(Organisation::Ra9, 327, "A9CAR1", "CARDIOLOGY CLINIC", "RA901", "320"),
    clinic(Organisation::Ra9, 328, "A9DER2", "DERMATOLOGY CLINIC", "RA901", "330"),
    clinic(Organisation::Ra9, 329, "A9CHE3", "RESPIRATORY MEDICINE CLINIC", "RA901", "340"),
    clinic(Organisation::Ra9, 330, "A9NEU1", "NEUROLOGY CLINIC", "RA901", "400"),
    clinic(Organisation::Ra9, 331, "A9CHI2", "PAEDIATRICS CLINIC", "RA901", "420"),
    clinic(Organisation::Ra9, 332, "A9ELD3", "ELDERLY MEDICINE CLINIC", "RA901", "430"),
    clinic(Organisation::Ra9, 333, "A9GYN1", "GYNAECOLOGY CLINIC", "RA901", "502"),
];

static RA9_CONSULTANTS: [Consultant; 13] = [
    consultant(Organisation::Ra9, 301, "9301074", "Kingdon", "Gavin", "Ms", "100"),
    consultant(Organisation::Ra9, 302, "9302085", "Mudge", "Hina", "Dr", "101"),
    consultant(Organisation::Ra9, 303, "9303096", "Oxenham", "Ivor", "Miss", "110"),
    consultant(Organisation::Ra9, 304, "9304107", "Quick", "Jory", "Mr", "120"),
    consultant(Organisation::Ra9, 305, "9305118", "Snell", "Kavita", "Dr", "130"),
    consultant(Organisation::Ra9, 306, "9306129", "Uren", "Lowenna", "Ms", "300"),
    consultant(Organisation::Ra9, 307, "9307140", "Westaway", "Morwenna", "Dr", "320"),
    consultant(Organisation::Ra9, 308, "9308151", "Zelley", "Ailsa", "Miss", "330"),
    consultant(Organisation::Ra9, 309, "9309162", "Bickle", "Bronwen", "Mr", "340"),
    consultant(Organisation::Ra9, 310, "9310173", "Dymond", "Callum", "Dr", "400"),
    consultant(Organisation::Ra9, 311, "9311184", "Furze", "Demelza", "Ms", "420"),
    consultant(Organisation::Ra9, 312, "9312195", "Heard", "Edmund", "Dr", "430"),
    consultant(Organisation::Ra9, 313, "9313206", "Jewell", "Farah", "Miss", "502"),
];

static RBZ_WARDS: [Place; 6] = [
    ward(Organisation::Rbz, 401, "ALEXAN", "ALEXANDRA WARD", "RBZ12", "300"),
    ward(Organisation::Rbz, 402, "CAPENE", "CAPENER WARD", "RBZ12", "100"),
    ward(Organisation::Rbz, 403, "FORTES", "FORTESCUE WARD", "RBZ12", "110"),
    ward(Organisation::Rbz, 404, "GLOSSO", "GLOSSOP WARD", "RBZ12", "320"),
    ward(Organisation::Rbz, 405, "LUNDY", "LUNDY WARD", "RBZ12", "430"),
    ward(Organisation::Rbz, 406, "TARKA", "TARKA WARD", "RBZ12", "502"),
];

static RBZ_CLINICS: [Place; 13] = [
    clinic(Organisation::Rbz, 421, "BZSUR1", "GENERAL SURGERY CLINIC", "RBZ12", "100"),
    clinic(Organisation::Rbz, 422, "BZURO2", "UROLOGY CLINIC", "RBZ12", "101"),
    clinic(Organisation::Rbz, 423, "BZORT3", "TRAUMA AND ORTHOPAEDICS CLINIC", "RBZ12", "110"),
    clinic(Organisation::Rbz, 424, "BZENT1", "ENT CLINIC", "RBZ12", "120"),
    clinic(Organisation::Rbz, 425, "BZEYE2", "OPHTHALMOLOGY CLINIC", "RBZ12", "130"),
    clinic(Organisation::Rbz, 426, "BZMED3", "GENERAL MEDICINE CLINIC", "RBZ12", "300"),
    clinic(Organisation::Rbz, 427, "BZCAR1", "CARDIOLOGY CLINIC", "RBZ12", "320"),
    clinic(Organisation::Rbz, 428, "BZDER2", "DERMATOLOGY CLINIC", "RBZ12", "330"),
    clinic(Organisation::Rbz, 429, "BZCHE3", "RESPIRATORY MEDICINE CLINIC", "RBZ12", "340"),
    clinic(Organisation::Rbz, 430, "BZNEU1", "NEUROLOGY CLINIC", "RBZ12", "400"),
    clinic(Organisation::Rbz, 431, "BZCHI2", "PAEDIATRICS CLINIC", "RBZ12", "420"),
    clinic(Organisation::Rbz, 432, "BZELD3", "ELDERLY MEDICINE CLINIC", "RBZ12", "430"),
    clinic(Organisation::Rbz, 433, "BZGYN1", "GYNAECOLOGY CLINIC", "RBZ12", "502"),
];

static RBZ_CONSULTANTS: [Consultant; 13] = [
    consultant(Organisation::Rbz, 401, "9401111", "Pascoe", "Jory", "Dr", "100"),
    consultant(Organisation::Rbz, 402, "9402122", "Retallick", "Kavita", "Miss", "101"),
    consultant(Organisation::Rbz, 403, "9403133", "Tozer", "Lowenna", "Mr", "110"),
    consultant(Organisation::Rbz, 404, "9404144", "Vanstone", "Morwenna", "Dr", "120"),
    consultant(Organisation::Rbz, 405, "9405155", "Yeo", "Ailsa", "Ms", "130"),
    consultant(Organisation::Rbz, 406, "9406166", "Abbot", "Bronwen", "Dr", "300"),
    consultant(Organisation::Rbz, 407, "9407177", "Chudleigh", "Callum", "Miss", "320"),
    consultant(Organisation::Rbz, 408, "9408188", "Elston", "Demelza", "Mr", "330"),
    consultant(Organisation::Rbz, 409, "9409199", "Gidley", "Edmund", "Dr", "340"),
    consultant(Organisation::Rbz, 410, "9410210", "Isaac", "Farah", "Ms", "400"),
    consultant(Organisation::Rbz, 411, "9411221", "Kingdon", "Gavin", "Dr", "420"),
    consultant(Organisation::Rbz, 412, "9412232", "Mudge", "Hina", "Miss", "430"),
    consultant(Organisation::Rbz, 413, "9413243", "Oxenham", "Ivor", "Mr", "502"),
];

static RH8_WARDS: [Place; 6] = [
    ward(Organisation::Rh8, 501, "BOLHAM", "BOLHAM WARD", "RH801", "300"),
    ward(Organisation::Rh8, 502, "BOVEY", "BOVEY WARD", "RH801", "100"),
    ward(Organisation::Rh8, 503, "CULM", "CULM WARD", "RH801", "110"),
    ward(Organisation::Rh8, 504, "DURBIN", "DURBIN WARD", "RH801", "320"),
    ward(Organisation::Rh8, 505, "EXE", "EXE WARD", "RH801", "430"),
    ward(Organisation::Rh8, 506, "TORRID", "TORRIDGE WARD", "RH801", "502"),
];

static RH8_CLINICS: [Place; 13] = [
    clinic(Organisation::Rh8, 521, "H8SUR1", "GENERAL SURGERY CLINIC", "RH801", "100"),
    clinic(Organisation::Rh8, 522, "H8URO2", "UROLOGY CLINIC", "RH801", "101"),
    clinic(Organisation::Rh8, 523, "H8ORT3", "TRAUMA AND ORTHOPAEDICS CLINIC", "RH801", "110"),
    clinic(Organisation::Rh8, 524, "H8ENT1", "ENT CLINIC", "RH801", "120"),
    clinic(Organisation::Rh8, 525, "H8EYE2", "OPHTHALMOLOGY CLINIC", "RH801", "130"),
    clinic(Organisation::Rh8, 526, "H8MED3", "GENERAL MEDICINE CLINIC", "RH801", "300"),
    clinic(Organisation::Rh8, 527, "H8CAR1", "CARDIOLOGY CLINIC", "RH801", "320"),
    clinic(Organisation::Rh8, 528, "H8DER2", "DERMATOLOGY CLINIC", "RH801", "330"),
    clinic(Organisation::Rh8, 529, "H8CHE3", "RESPIRATORY MEDICINE CLINIC", "RH801", "340"),
    clinic(Organisation::Rh8, 530, "H8NEU1", "NEUROLOGY CLINIC", "RH801", "400"),
    clinic(Organisation::Rh8, 531, "H8CHI2", "PAEDIATRICS CLINIC", "RH801", "420"),
    clinic(Organisation::Rh8, 532, "H8ELD3", "ELDERLY MEDICINE CLINIC", "RH801", "430"),
    clinic(Organisation::Rh8, 533, "H8GYN1", "GYNAECOLOGY CLINIC", "RH801", "502"),
];

static RH8_CONSULTANTS: [Consultant; 13] = [
    consultant(Organisation::Rh8, 501, "9501148", "Uren", "Morwenna", "Miss", "100"),
    consultant(Organisation::Rh8, 502, "9502159", "Westaway", "Ailsa", "Mr", "101"),
    consultant(Organisation::Rh8, 503, "9503170", "Zelley", "Bronwen", "Dr", "110"),
    consultant(Organisation::Rh8, 504, "9504181", "Bickle", "Callum", "Ms", "120"),
    consultant(Organisation::Rh8, 505, "9505192", "Dymond", "Demelza", "Dr", "130"),
    consultant(Organisation::Rh8, 506, "9506203", "Furze", "Edmund", "Miss", "300"),
    consultant(Organisation::Rh8, 507, "9507214", "Heard", "Farah", "Mr", "320"),
    consultant(Organisation::Rh8, 508, "9508225", "Jewell", "Gavin", "Dr", "330"),
    consultant(Organisation::Rh8, 509, "9509236", "Luxton", "Hina", "Ms", "340"),
    consultant(Organisation::Rh8, 510, "9510247", "Northcott", "Ivor", "Dr", "400"),
    consultant(Organisation::Rh8, 511, "9511258", "Pascoe", "Jory", "Miss", "420"),
    consultant(Organisation::Rh8, 512, "9512269", "Retallick", "Kavita", "Mr", "430"),
    consultant(Organisation::Rh8, 513, "9513280", "Tozer", "Lowenna", "Dr", "502"),
];

/// The made-up practices of the peninsula, of which the first four are near RK9, the next four near REF and so on
/// in the order of the trusts.
pub(crate) static PRACTICES: [Practice; 20] = [
    Practice { row: 701, ods: "Z81001", name: "HARBOUR SURGERY" },
    Practice { row: 702, ods: "Z81002", name: "MOOR VIEW SURGERY" },
    Practice { row: 703, ods: "Z81003", name: "QUAY SURGERY" },
    Practice { row: 704, ods: "Z81004", name: "BEACON SURGERY" },
    Practice { row: 705, ods: "Z82001", name: "HARBOUR PRACTICE" },
    Practice { row: 706, ods: "Z82002", name: "MOOR VIEW PRACTICE" },
    Practice { row: 707, ods: "Z82003", name: "QUAY PRACTICE" },
    Practice { row: 708, ods: "Z82004", name: "BEACON PRACTICE" },
    Practice { row: 709, ods: "Z83001", name: "HARBOUR MEDICAL CENTRE" },
    Practice { row: 710, ods: "Z83002", name: "MOOR VIEW MEDICAL CENTRE" },
    Practice { row: 711, ods: "Z83003", name: "QUAY MEDICAL CENTRE" },
    Practice { row: 712, ods: "Z83004", name: "BEACON MEDICAL CENTRE" },
    Practice { row: 713, ods: "Z84001", name: "HARBOUR HEALTH CENTRE" },
    Practice { row: 714, ods: "Z84002", name: "MOOR VIEW HEALTH CENTRE" },
    Practice { row: 715, ods: "Z84003", name: "QUAY HEALTH CENTRE" },
    Practice { row: 716, ods: "Z84004", name: "BEACON HEALTH CENTRE" },
    Practice { row: 717, ods: "Z85001", name: "HARBOUR MEDICAL GROUP" },
    Practice { row: 718, ods: "Z85002", name: "MOOR VIEW MEDICAL GROUP" },
    Practice { row: 719, ods: "Z85003", name: "QUAY MEDICAL GROUP" },
    Practice { row: 720, ods: "Z85004", name: "BEACON MEDICAL GROUP" },
];

/// A town and its postcode district, four to each trust's neighbourhood in the order of the trusts. The second
/// parts of its postcodes begin with 9 and are given to no street.
pub(crate) static TOWNS: [(&str, &str); 20] = [
    ("Plymouth", "PL1"),
    ("Saltash", "PL12"),
    ("Tavistock", "PL19"),
    ("Ivybridge", "PL21"),
    ("Truro", "TR1"),
    ("Falmouth", "TR11"),
    ("Redruth", "TR15"),
    ("Penzance", "TR18"),
    ("Torquay", "TQ1"),
    ("Paignton", "TQ3"),
    ("Totnes", "TQ9"),
    ("Newton Abbot", "TQ12"),
    ("Barnstaple", "EX31"),
    ("Bideford", "EX39"),
    ("Ilfracombe", "EX34"),
    ("South Molton", "EX36"),
    ("Exeter", "EX4"),
    ("Exmouth", "EX8"),
    ("Honiton", "EX14"),
    ("Tiverton", "EX16"),
];
