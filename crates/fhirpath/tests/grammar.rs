//! The parser on good, bad and random text.

use epr_fhirpath::parse;
use proptest::prelude::*;

/// Pieces that occur in expressions, so that random text comes near the grammar.
fn near_expression() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "name",
        "given",
        "Patient",
        "$this",
        "$index",
        "$total",
        "%resource",
        "%`vs-x`",
        "(",
        ")",
        "[",
        "]",
        "{}",
        "{",
        ".",
        ",",
        "+",
        "-",
        "*",
        "/",
        "&",
        "|",
        "<",
        "<=",
        ">",
        ">=",
        "=",
        "!=",
        "~",
        "!~",
        " and ",
        " or ",
        " xor ",
        " implies ",
        " is ",
        " as ",
        " in ",
        " contains ",
        " div ",
        " mod ",
        "where(",
        "exists()",
        "iif(",
        "true",
        "false",
        "'a'",
        "'\\u0041\\''",
        "1",
        "2.50",
        "4 days",
        "5 'mg'",
        "@2014",
        "@2014-01-01T10:30+01:00",
        "@T10:30",
        "`div`",
        "\\",
        "'",
        "`",
        "//",
        "/*",
        "*/",
        "\n",
        "é",
        "is",
        "as",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_parses_or_gives_an_error_with_a_place_inside_it(text in "\\PC*") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same_tree(text in near_expression()) {
        if let Ok(tree) = parse(&text) {
            let printed = tree.to_string();
            let again = parse(&printed);
            prop_assert_eq!(again.as_ref().ok(), Some(&tree), "printed as {}", printed);
        }
    }
}

#[test]
fn operators_bind_as_the_specification_says() {
    for (text, printed) in [
        ("1+2*3+4", "1 + 2 * 3 + 4"),
        ("(1+2)*3", "(1 + 2) * 3"),
        ("-1.abs()", "-1.abs()"),
        ("(-1).abs()", "(-1).abs()"),
        ("a implies b or c and d = e | f", "a implies b or c and d = e | f"),
        ("((a implies b) or c) and d", "((a implies b) or c) and d"),
        ("a = (b = c)", "a = (b = c)"),
        ("1 > 2 is Boolean", "1 > 2 is Boolean"),
        ("(1 > 2) is Boolean", "(1 > 2) is Boolean"),
        ("a.`div`.is(X)", "a.`div`.`is`(X)"),
        ("text.div", "text.`div`"),
        ("a as FHIR.`Patient`", "a as FHIR.Patient"),
        ("4 days + 2.50 'mg'", "4 days + 2.50 'mg'"),
    ] {
        let tree = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(tree.to_string(), printed);
        assert_eq!(parse(printed).unwrap(), tree, "{text}");
    }
}

#[test]
fn an_error_says_what_and_where() {
    for (text, message) in [
        ("", "expected a value at line 1, column 1"),
        ("2 + 2 /", "expected a value at line 1, column 8"),
        ("2 + 2 /* open", "a comment is opened and never closed at line 1, column 7"),
        ("a.where(\n  b = 'x)", "a quote is opened and never closed at line 2, column 7"),
        ("a b", "expected an operator or the end at line 1, column 3"),
        ("a.(b)", "expected a name at line 1, column 3"),
        ("'\\d'", "unknown escape after a backslash at line 1, column 2"),
        ("@2014-13", "this is not a date, time or date-time at line 1, column 1"),
        ("@2014-02-30", "this is not a date, time or date-time at line 1, column 1"),
        ("@T14:34:28Z", "expected an operator or the end at line 1, column 11"),
        ("99999999999999999999", "the number has more digits than can be kept exactly at line 1, column 1"),
        ("$that", "unknown variable; $this, $index and $total exist at line 1, column 1"),
        ("é", "this character begins nothing in FHIRPath at line 1, column 1"),
        ("a is", "expected a type name at line 1, column 5"),
        ("% ", "% must be followed by a name at line 1, column 1"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    for text in ["(".repeat(100_000), "-".repeat(100_000), format!("a{}", ".a".repeat(100_000)), "a[".repeat(100_000)] {
        assert!(parse(&text).unwrap_err().to_string().contains("nested too deeply"));
    }
    assert!(parse(&format!("{}1{}", "(".repeat(90), ")".repeat(90))).is_ok());
}
