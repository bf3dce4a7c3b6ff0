//! What each issue code of this crate means: the pages of `epr explain VALnnnn`.
//!
//! A code never changes its meaning. Hazard ids have their own pages, beside their checks in [`crate::rules`].

use epr_model::{IssueDoc, Severity};

use crate::rules;

pub const VAL_SYNTAX: &str = "VAL0001";
pub const VAL_DUPLICATE_KEY: &str = "VAL0002";
pub const VAL_RESOURCE_TYPE: &str = "VAL0003";
pub const VAL_NOT_BUILT: &str = "VAL0004";
pub const VAL_SNAPSHOT: &str = "VAL0005";
pub const VAL_JSON_FORM: &str = "VAL0010";
pub const VAL_UNKNOWN_ELEMENT: &str = "VAL0011";
pub const VAL_EMPTY: &str = "VAL0012";
pub const VAL_NULL: &str = "VAL0013";
pub const VAL_ALIGNMENT: &str = "VAL0014";
pub const VAL_XML: &str = "VAL0015";
pub const VAL_NEARLY_JSON: &str = "VAL0016";
pub const VAL_FORMAT: &str = "VAL0020";
pub const VAL_RANGE: &str = "VAL0021";
pub const VAL_NARRATIVE: &str = "VAL0022";
pub const VAL_LENGTH: &str = "VAL0023";
pub const VAL_ELEMENT_ID: &str = "VAL0024";
pub const VAL_IDENTIFIER: &str = "VAL0025";
pub const VAL_ATTACHMENT: &str = "VAL0026";
pub const VAL_LABEL_TWICE: &str = "VAL0027";
pub const VAL_NARRATIVE_SECTION: &str = "VAL0028";
pub const VAL_MINIMUM: &str = "VAL0030";
pub const VAL_MAXIMUM: &str = "VAL0031";
pub const VAL_CHOICE: &str = "VAL0032";
pub const VAL_FIXED: &str = "VAL0033";
pub const VAL_PATTERN: &str = "VAL0034";
pub const VAL_EXTENSION_TYPE: &str = "VAL0035";
pub const VAL_MODIFIER: &str = "VAL0036";
pub const VAL_EXTENSION_CONTEXT: &str = "VAL0037";
pub const VAL_EXTENSION_MODIFIER: &str = "VAL0038";
pub const VAL_EXTENSION_PART: &str = "VAL0039";
pub const VAL_BINDING: &str = "VAL0040";
pub const VAL_BINDING_EXTENSIBLE: &str = "VAL0041";
pub const VAL_UNKNOWN_CODE: &str = "VAL0042";
pub const VAL_TYPE: &str = "VAL0043";
pub const VAL_SLICE_NONE: &str = "VAL0044";
pub const VAL_SLICE_TWO: &str = "VAL0045";
pub const VAL_SLICE_ORDER: &str = "VAL0046";
pub const VAL_TYPE_PROFILE: &str = "VAL0047";
pub const VAL_PROFILE_TYPE: &str = "VAL0048";
pub const VAL_LIMIT: &str = "VAL0049";
pub const VAL_INVARIANT: &str = "VAL0050";
pub const VAL_INVARIANT_WARNING: &str = "VAL0051";
pub const VAL_DISPLAY: &str = "VAL0052";
pub const VAL_CODE_SYSTEM: &str = "VAL0053";
pub const VAL_CODE_NOTE: &str = "VAL0054";
pub const VAL_SLICE_UNDECIDABLE: &str = "VAL0055";
pub const VAL_PROFILE_UNKNOWN: &str = "VAL0056";
pub const VAL_EXTENSION_UNKNOWN: &str = "VAL0057";
pub const VAL_EXTENSION_URL: &str = "VAL0058";
pub const VAL_NO_VALUE: &str = "VAL0059";
pub const VAL_REFERENCE_FORMAT: &str = "VAL0060";
pub const VAL_REFERENCE_TYPE: &str = "VAL0061";
pub const VAL_CONTAINED: &str = "VAL0062";
pub const VAL_BUNDLE_LINK: &str = "VAL0063";
pub const VAL_VALUE_SET_SYSTEM: &str = "VAL0064";
pub const VAL_BUNDLE_ENTRY: &str = "VAL0065";
pub const VAL_PROFILE_WITHOUT_SNAPSHOT: &str = "VAL0066";
pub const VAL_AGGREGATION: &str = "VAL0068";
pub const VAL_DUPLICATE_ID: &str = "VAL0070";
pub const VAL_HELD_WITH_TARGET: &str = "VAL0071";
pub const VAL_WRONG_FOLDER: &str = "VAL0072";
pub const VAL_QUESTIONNAIRE_DERIVED: &str = "VAL0079";
pub const VAL_QUESTIONNAIRE_ABSENT: &str = "VAL0080";
pub const VAL_ANSWER_PLACE: &str = "VAL0081";
pub const VAL_ANSWER_REQUIRED: &str = "VAL0082";
pub const VAL_ANSWER_COUNT: &str = "VAL0083";
pub const VAL_ANSWER_TYPE: &str = "VAL0084";
pub const VAL_ANSWER_OPTION: &str = "VAL0085";
pub const VAL_ANSWER_LIMIT: &str = "VAL0086";
pub const VAL_ANSWER_DISABLED: &str = "VAL0087";
pub const VAL_ANSWER_TEXT: &str = "VAL0088";
pub const VAL_QUESTIONNAIRE: &str = "VAL0089";
pub const VAL_CONFORMANCE: &str = "VAL0090";

/// All codes that this crate can raise, hazards among them, sorted.
pub const ISSUES: &[IssueDoc] = &[
    rules::al_01::DOC.issue,
    rules::al_02::DOC.issue,
    rules::al_03::DOC.issue,
    rules::al_04::DOC.issue,
    rules::al_05::DOC.issue,
    rules::al_06::DOC.issue,
    rules::ap_01::DOC.issue,
    rules::ap_02::DOC.issue,
    rules::ap_03::DOC.issue,
    rules::ap_04::DOC.issue,
    rules::co_01::DOC.issue,
    rules::co_02::DOC.issue,
    rules::co_03::DOC.issue,
    rules::co_04::DOC.issue,
    rules::da_01::DOC.issue,
    rules::da_02::DOC.issue,
    rules::da_03::DOC.issue,
    rules::da_04::DOC.issue,
    rules::da_05::DOC.issue,
    rules::de_02::DOC.issue,
    rules::de_03::DOC.issue,
    rules::de_04::DOC.issue,
    rules::do_01::DOC.issue,
    rules::en_01::DOC.issue,
    rules::en_02::DOC.issue,
    rules::en_03::DOC.issue,
    rules::en_04::DOC.issue,
    rules::id_01::DOC.issue,
    rules::id_02::DOC.issue,
    rules::id_05::DOC.issue,
    rules::id_06::DOC.issue,
    rules::id_07::DOC.issue,
    rules::id_08::DOC.issue,
    rules::id_09::DOC.issue,
    rules::id_10::DOC.issue,
    rules::id_11::DOC.issue,
    rules::id_12::DOC.issue,
    rules::me_01::DOC.issue,
    rules::me_02::DOC.issue,
    rules::me_03::DOC.issue,
    rules::me_04::DOC.issue,
    rules::me_05::DOC.issue,
    rules::or_01::DOC.issue,
    rules::re_01::DOC.issue,
    rules::re_02::DOC.issue,
    rules::rt_01::DOC.issue,
    rules::rt_02::DOC.issue,
    rules::rt_03::DOC.issue,
    rules::rt_04::DOC.issue,
    rules::rt_05::DOC.issue,
    doc(
        VAL_SYNTAX,
        Severity::Fatal,
        "the bytes cannot be read",
        "The resource could not be read, so nothing else of it was checked. A resource of a run is held. Mend what wrote it.",
    ),
    doc(
        VAL_DUPLICATE_KEY,
        Severity::Error,
        "an object has two members of one name",
        "JSON readers differ in which of the two they keep, so the target may store another value than was checked. The first was checked.",
    ),
    doc(
        VAL_RESOURCE_TYPE,
        Severity::Error,
        "resourceType is missing or not a resource type of FHIR R4",
        "Without the type nothing of the resource can be checked.",
    ),
    doc(
        VAL_NOT_BUILT,
        Severity::Error,
        "this form of input is not read by this version",
        "The file was not checked and counts as an error, so that it is never taken for valid.",
    ),
    doc(
        VAL_SNAPSHOT,
        Severity::Error,
        "a definition of which no snapshot can be made",
        "The profile has a differential only, and what it says does not fit what it builds on, or that is not loaded. \
         Nothing is checked against it: each resource that claims it has an error. The issue says what is wrong.",
    ),
    doc(
        VAL_JSON_FORM,
        Severity::Error,
        "an element has the wrong JSON form",
        "An element that repeats is an array, a complex one an object, a boolean true or false without quotes, a number without quotes, anything else a text.",
    ),
    doc(
        VAL_UNKNOWN_ELEMENT,
        Severity::Error,
        "an element that the definition does not have",
        "A target drops it or refuses the resource; either way what it held is lost. Correct the name in the mapping.",
    ),
    doc(
        VAL_EMPTY,
        Severity::Error,
        "an empty object, array or text",
        "FHIR forbids them: an element that has nothing to say is left out.",
    ),
    doc(
        VAL_NULL,
        Severity::Error,
        "null where FHIR does not allow it",
        "null stands only in the two arrays of a repeating primitive, to keep their items side by side.",
    ),
    doc(
        VAL_ALIGNMENT,
        Severity::Error,
        "a primitive and its _element do not fit together",
        "Both are arrays, or neither is, and at each place one of both must say something.",
    ),
    doc(
        VAL_XML,
        Severity::Error,
        "XML that FHIR does not allow",
        "An attribute, a text, a namespace or an order that XML allows and FHIR's XML form does not. What has no place was left out; the rest was checked.",
    ),
    doc(
        VAL_NEARLY_JSON,
        Severity::Error,
        "what was written is nearly JSON",
        "A comment, a missing or trailing comma, a name or text without quotes: most readers refuse it. It was read on, and the rest was checked. In a run such a resource is held.",
    ),
    doc(
        VAL_FORMAT,
        Severity::Error,
        "a value has not the form of its type",
        "The issue gives the form that the type asks for and the shape of what is there. Dates keep their precision; a time needs an offset.",
    ),
    doc(
        VAL_RANGE,
        Severity::Error,
        "a value that its type does not have",
        "The form is right, but there is no such day, hour or number.",
    ),
    doc(
        VAL_NARRATIVE,
        Severity::Error,
        "the narrative is not the XHTML that FHIR allows",
        "A narrative is shown to clinicians as it is: it must be well formed and free of active content.",
    ),
    doc(
        VAL_LENGTH,
        Severity::Error,
        "a text is longer than its element allows",
        "A target may cut it. Shorten it where it is mapped, or keep the rest elsewhere.",
    ),
    doc(
        VAL_ELEMENT_ID,
        Severity::Error,
        "two elements of a resource have one id",
        "The id of an element is what others inside the resource point at: it must be the only one of its name there.",
    ),
    doc(
        VAL_IDENTIFIER,
        Severity::Error,
        "an identifier whose system or value cannot be what it says",
        "The system is an absolute URL or URN: a local name means nothing outside the system it comes from. \
         With the system urn:ietf:rfc:3986 the value is itself a URI.",
    ),
    doc(
        VAL_ATTACHMENT,
        Severity::Error,
        "an attachment's size or hash is not that of its data",
        "What was counted is not what is there: the content was cut, or decoded and encoded again.",
    ),
    doc(
        VAL_LABEL_TWICE,
        Severity::Error,
        "a resource has one security label twice",
        "Security labels are a set. A reader that counts them, or takes the second for another, goes wrong.",
    ),
    doc(
        VAL_NARRATIVE_SECTION,
        Severity::Error,
        "a narrative has not the sections that its profile asks for",
        "Profiles may ask for sections by language (`narrative-language-control`), or that each part says where it comes from (`narrative-source-control`).",
    ),
    doc(
        VAL_MINIMUM,
        Severity::Error,
        "a required element is missing",
        "The definition asks for it. Map it, or let the mapping's policy refuse the row.",
    ),
    doc(
        VAL_MAXIMUM,
        Severity::Error,
        "an element is there more often than allowed",
        "A target keeps the first, the last or none.",
    ),
    doc(
        VAL_CHOICE,
        Severity::Error,
        "an element of many types is given in two of them",
        "Only one of value[x] may be there: the reader cannot know which one counts.",
    ),
    doc(
        VAL_FIXED,
        Severity::Error,
        "a value differs from the one that the definition fixes",
        "The definition names the one value that is allowed here.",
    ),
    doc(
        VAL_PATTERN,
        Severity::Error,
        "a value lacks what the definition asks for",
        "The definition gives a pattern: what it holds must be there; more may be.",
    ),
    doc(
        VAL_EXTENSION_TYPE,
        Severity::Error,
        "an extension's value is of a type that its definition does not allow",
        "The definition of the extension lists the types of its value.",
    ),
    doc(
        VAL_MODIFIER,
        Severity::Warning,
        "a modifier extension whose definition is not loaded",
        "It may turn the meaning of what holds it into its contrary, and a target that does not know it must not take the resource. Load its package, or leave it out.",
    ),
    doc(
        VAL_EXTENSION_CONTEXT,
        Severity::Error,
        "an extension stands where its definition does not allow it",
        "The definition of an extension lists the elements that may have it. Elsewhere nobody looks for it.",
    ),
    doc(
        VAL_EXTENSION_MODIFIER,
        Severity::Error,
        "an extension stands in the wrong one of extension and modifierExtension",
        "Its definition says whether it changes the meaning of what holds it. In the other list a reader takes it for what it is not.",
    ),
    doc(
        VAL_EXTENSION_PART,
        Severity::Error,
        "an extension has a part that its definition does not have",
        "An extension of several parts names each by a short URL. One that is not in the definition is read by nobody.",
    ),
    doc(
        VAL_BINDING,
        Severity::Error,
        "a code is not in the value set that the element requires",
        "A required binding allows no other code. Correct the code map.",
    ),
    doc(
        VAL_BINDING_EXTENSIBLE,
        Severity::Warning,
        "no code is in the value set that the element asks for",
        "An extensible binding allows another code only where the value set has none that fits. Somebody should have looked.",
    ),
    doc(
        VAL_UNKNOWN_CODE,
        Severity::Error,
        "a code that its code system does not have",
        "The code system is loaded and complete, and the code is not in it.",
    ),
    doc(
        VAL_TYPE,
        Severity::Error,
        "a value is of a type that the profile does not allow",
        "R4 lets the element have several types, and the profile fewer.",
    ),
    doc(
        VAL_SLICE_NONE,
        Severity::Error,
        "an item belongs to none of the slices of a closed list",
        "The profile lists the kinds of items that may stand here, and this is none of them.",
    ),
    doc(
        VAL_SLICE_TWO,
        Severity::Error,
        "an item belongs to two slices at once",
        "What the profile tells its slices apart by does not tell this item apart.",
    ),
    doc(
        VAL_SLICE_ORDER,
        Severity::Error,
        "an item of a slice stands in the wrong place",
        "The profile asks for its slices in order, or for all other items after them.",
    ),
    doc(
        VAL_TYPE_PROFILE,
        Severity::Error,
        "a value, or what a reference leads to, meets none of the profiles asked for",
        "The profile names the profiles of which one must be met. Check the value against each by itself to see why.",
    ),
    doc(
        VAL_PROFILE_TYPE,
        Severity::Error,
        "the profile is about another resource type",
        "A profile that a resource claims, or that is assigned to it, must be about its type.",
    ),
    doc(
        VAL_LIMIT,
        Severity::Error,
        "a value is below the least or above the largest that the profile allows",
        "The definition gives the least or the largest value.",
    ),
    doc(
        VAL_INVARIANT,
        Severity::Error,
        "a rule of the definition is broken",
        "The issue names the rule by its key, as the FHIR specification does.",
    ),
    doc(
        VAL_INVARIANT_WARNING,
        Severity::Warning,
        "a rule that the definition gives as a warning is broken",
        "The issue names the rule by its key, as the FHIR specification does.",
    ),
    doc(
        VAL_DISPLAY,
        Severity::Error,
        "a display that is not given for the code",
        "Who reads the display takes the code for another. Neither the code system nor the value set has this text for it.",
    ),
    doc(
        VAL_CODE_SYSTEM,
        Severity::Error,
        "a code of no code system that can be meant",
        "The system of a coding is relative, a value set, a supplement, or one of HL7's that does not exist; or a plain code is in no system of its value set.",
    ),
    doc(
        VAL_CODE_NOTE,
        Severity::Warning,
        "a code that says less than it should",
        "It has no system beside it, or its system has taken it out of use.",
    ),
    doc(
        VAL_SLICE_UNDECIDABLE,
        Severity::Error,
        "a profile does not say what tells its slices apart",
        "The profile divides a list and says too little, or needs a profile that is not loaded, to tell to which slice an item belongs. Mend the profile, or load what it needs.",
    ),
    doc(
        VAL_PROFILE_UNKNOWN,
        Severity::Error,
        "a profile asks for another profile that is not loaded",
        "The value was not checked against it. Load the package that has it.",
    ),
    doc(
        VAL_EXTENSION_UNKNOWN,
        Severity::Error,
        "an extension that no loaded package defines",
        "A target cannot know what it means. Load the package that defines it, or correct its URL.",
    ),
    doc(
        VAL_EXTENSION_URL,
        Severity::Error,
        "the URL of an extension is missing, relative or has a version",
        "An extension is known by the absolute URL of its definition, without a version. Only the parts of an extension have relative URLs.",
    ),
    doc(
        VAL_NO_VALUE,
        Severity::Error,
        "an element has extensions and no value where the profile wants a value",
        "The profile says that the value must be there, or which extensions may stand for it.",
    ),
    doc(
        VAL_REFERENCE_FORMAT,
        Severity::Error,
        "a reference that is neither a resource's address nor a fragment nor a URN",
        "A reference is Type/id, a whole URL, urn:uuid:, urn:oid: or #id.",
    ),
    doc(
        VAL_REFERENCE_TYPE,
        Severity::Error,
        "a reference to a resource of a type that the element does not allow",
        "The definition lists the types that may stand here.",
    ),
    doc(
        VAL_CONTAINED,
        Severity::Error,
        "a contained resource is not there, not used, or not allowed",
        "A #id must name a contained resource; a contained resource must be referred to and may itself contain none.",
    ),
    doc(
        VAL_BUNDLE_LINK,
        Severity::Error,
        "a link of a bundle stands twice, or does not belong there",
        "A reader that follows a relation cannot know which of two links counts. Pages (first, previous, next, last) are of \
         searches and histories only.",
    ),
    doc(
        VAL_VALUE_SET_SYSTEM,
        Severity::Error,
        "a value set names a code system that is no absolute URL",
        "A code system is named by its own URL, even one that the value set contains.",
    ),
    doc(
        VAL_BUNDLE_ENTRY,
        Severity::Error,
        "an entry of a bundle is not what the bundle's type asks for, or cannot be referred to",
        "A document begins with a Composition that leads to all else in it, a message with a MessageHeader; a full URL is \
         absolute and ends in the type and id of its resource; a relative reference counts from the full URL of its entry.",
    ),
    doc(
        VAL_PROFILE_WITHOUT_SNAPSHOT,
        Severity::Error,
        "a resource claims a profile that has no snapshot",
        "Its definition is loaded, but what it builds on is not, or does not fit it; nothing was checked against it. \
         VAL0005 says what is wrong with it.",
    ),
    doc(
        VAL_AGGREGATION,
        Severity::Error,
        "a reference leads to a place that the profile does not allow",
        "The profile says whether the target is contained, in the same bundle or elsewhere.",
    ),
    doc(
        VAL_DUPLICATE_ID,
        Severity::Error,
        "two resources of one type have one id",
        "The target would keep one of them only. Both are held. Two maps, or two rows, make the same key.",
    ),
    doc(
        VAL_HELD_WITH_TARGET,
        Severity::Information,
        "held because the resource that it refers to is held or was refused",
        "It would dangle at the target. Mend the root cause, which holds.parquet names: this one then goes with it.",
    ),
    doc(
        VAL_WRONG_FOLDER,
        Severity::Error,
        "a resource stands in the folder of another type",
        "The stage before wrote a resource of one type into the folder of another. It is held.",
    ),
    doc(
        VAL_QUESTIONNAIRE_DERIVED,
        Severity::Error,
        "an item breaks what the questionnaire that it derives from asks",
        "A derived questionnaire may narrow an item, not widen it.",
    ),
    doc(
        VAL_QUESTIONNAIRE_ABSENT,
        Severity::Warning,
        "a questionnaire, or a value set of its items, is not among the definitions",
        "Give it with --package. Until then the answers are not checked against it, and the ledger says so.",
    ),
    doc(
        VAL_ANSWER_PLACE,
        Severity::Error,
        "an item or answer stands where the questionnaire has none",
        "Items have a linkId of the questionnaire, its order and its groups; what groups and displays hold is no answer.",
    ),
    doc(
        VAL_ANSWER_REQUIRED,
        Severity::Error,
        "a required item has no answer",
        "In a response that is completed or amended it is an error, in any other a warning.",
    ),
    doc(
        VAL_ANSWER_COUNT,
        Severity::Error,
        "an item has more or fewer answers than the questionnaire allows",
        "An item that does not repeat has one; minOccurs and maxOccurs may say more.",
    ),
    doc(
        VAL_ANSWER_TYPE,
        Severity::Error,
        "an answer is of another type than its item",
        "The type of the item in the questionnaire says which type of value an answer has.",
    ),
    doc(
        VAL_ANSWER_OPTION,
        Severity::Error,
        "an answer is none of those that the item offers",
        "Options, value set and units of the item say which there are.",
    ),
    doc(
        VAL_ANSWER_LIMIT,
        Severity::Error,
        "an answer is beyond what the item allows",
        "Least and greatest value, length, decimal places, form, size and MIME type.",
    ),
    doc(
        VAL_ANSWER_DISABLED,
        Severity::Error,
        "an item is answered though it is not enabled",
        "The conditions of enableWhen do not hold in this response.",
    ),
    doc(
        VAL_ANSWER_TEXT,
        Severity::Error,
        "the text of an item is not that of the questionnaire",
        "The question that was asked must be the one that is shown with its answer.",
    ),
    doc(
        VAL_QUESTIONNAIRE,
        Severity::Error,
        "an item of a questionnaire is enabled by an item that cannot enable it",
        "enableWhen names another item of the questionnaire, and none below the item itself.",
    ),
    doc(
        VAL_CONFORMANCE,
        Severity::Error,
        "a definition contradicts itself or what it names",
        "A conformance resource (CodeSystem, SearchParameter, StructureDefinition, MeasureReport) must fit together and fit \
         what it builds on, else every check that uses it is doubtful.",
    ),
];

const fn doc(code: &'static str, severity: Severity, title: &'static str, explanation: &'static str) -> IssueDoc {
    IssueDoc { code, severity, title, explanation }
}

/// The page of a code, hazards included.
pub fn explain(code: &str) -> Option<&'static IssueDoc> {
    ISSUES.iter().find(|d| d.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(ISSUES.windows(2).all(|w| w[0].code < w[1].code));
        assert!(explain("VAL0030").is_some() && explain("DA-03").is_some() && explain("VAL9999").is_none());
    }
}
