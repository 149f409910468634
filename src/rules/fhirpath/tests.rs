//! The language by example (`cases/`), its limits, and that nothing makes it panic.
//! <http://hl7.org/fhirpath/N1/>

use super::{Dialect, EvalCode, EvalError, Expression, Host, Item, Recorder, Scope, source_index};
use proptest::prelude::*;
use serde_json::{Value, json};

fn run_cases(dialect: Dialect, file: &str) {
    let file: Value = serde_json::from_str(file).expect("JSON");
    for case in file["cases"].as_array().expect("cases") {
        let text = case[0].as_str().expect("expression");
        let found = match Expression::parse(text, dialect) {
            Err(_) => json!("refused"),
            Ok(expression) => match expression.evaluate(&file["input"], &Scope::default()) {
                Ok(items) => Value::Array(items.iter().map(Item::to_json).collect()),
                Err(fault) => json!({ "error": code(&fault) }),
            },
        };
        assert_eq!(found.to_string(), case[1].to_string(), "{text}");
    }
}

fn code(fault: &EvalError) -> &'static str {
    match fault.code {
        EvalCode::Singleton => "singleton",
        EvalCode::Type => "type",
        EvalCode::Limit => "limit",
        EvalCode::Missing => "missing",
        EvalCode::UnknownMember => "unknown-member",
        EvalCode::Unsupported => "unsupported",
        EvalCode::Host => "host",
    }
}

#[test]
fn mapping_cases() {
    run_cases(Dialect::Mapping, include_str!("cases/mapping.json"));
}

#[test]
fn search_cases() {
    run_cases(Dialect::Search, include_str!("cases/search.json"));
}

#[test]
fn refusals_say_where_and_what() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases/refused.json")).expect("JSON");
    for case in cases {
        let dialect = if case[0] == "search" {
            Dialect::Search
        } else {
            Dialect::Mapping
        };
        let text = case[1].as_str().expect("expression");
        let fault = Expression::parse(text, dialect).expect_err(text);
        assert_eq!(Some(fault.offset as u64), case[2].as_u64(), "{text}: {fault}");
        assert!(
            fault.message.contains(case[3].as_str().expect("message")),
            "{text}: {fault}"
        );
        assert_eq!(fault.suggestion.as_deref(), case[4].as_str(), "{text}: {fault}");
    }
}

#[test]
fn paths_that_are_read() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases/reads.json")).expect("JSON");
    for case in cases {
        let text = case[0].as_str().expect("expression");
        let found = Expression::parse(text, Dialect::Mapping)
            .or_else(|_| Expression::parse(text, Dialect::Search))
            .expect(text)
            .source_paths();
        assert_eq!(json!(found), case[1], "{text}");
    }
}

struct Codes;

impl Host for Codes {
    fn call<'a>(
        &'a self,
        name: &'static str,
        receiver: &[Item<'a>],
        args: &[Vec<Item<'a>>],
        at: usize,
    ) -> Result<Vec<Item<'a>>, EvalError> {
        match (name, receiver) {
            ("code", [item]) => {
                let key = item.to_text().unwrap_or_default();
                let map = args
                    .first()
                    .and_then(|a| a.first())
                    .and_then(Item::to_text)
                    .unwrap_or_default();
                Ok(vec![Item::text(format!("{map}:{key}"))])
            }
            ("coding", [_]) => Ok(vec![Item::made(json!({"system": "s", "code": "c"}))]),
            ("required", []) => Err(EvalError::host(at, "a value is required")),
            _ => Ok(receiver.to_vec()),
        }
    }
}

#[test]
fn host_functions_variables_and_sources() {
    let source = json!({"people": [{"sex": "f", "kind": "a"}, {"sex": "m", "kind": "b"}], "site": "north"});
    let index = source_index(&source);
    let names = |list: Vec<usize>| {
        list.iter()
            .filter_map(|a| index.get(a).cloned())
            .collect::<Vec<_>>()
    };
    let recorder = Recorder::default();
    let scope = Scope {
        source: Some(&source),
        row: source["people"].get(1),
        host: Some(&Codes),
        recorder: Some(&recorder),
        named: vec![("goal", vec![Item::text("walk")])],
        ..Scope::default()
    };
    let value = |text: &str| {
        let expression = Expression::parse_with(text, Dialect::Mapping, &["goal"]).expect(text);
        let found = expression.evaluate(&source["people"][0], &scope);
        found.map(|items| items.iter().map(Item::to_json).collect::<Vec<_>>())
    };
    assert_eq!(
        value("sex.code('gender') + %row.sex"),
        Ok(vec![json!("gender:fm")])
    );
    assert_eq!(names(recorder.take_made()), ["people[0].sex", "people[1].sex"]);
    assert_eq!(
        value("%source.people.where(kind = 'b').sex"),
        Ok(vec![json!("m")])
    );
    assert_eq!(
        names(recorder.take_tested()),
        ["people[0].kind", "people[1].kind"]
    );
    assert_eq!(names(recorder.take_made()), ["people[1].sex"]);
    assert_eq!(
        value("iif(kind = 'a', %source.people.first().sex, 'x')"),
        Ok(vec![json!("f")])
    );
    assert_eq!(names(recorder.take_made()), ["people[0].sex"]);
    assert_eq!(value("kind.coding('x').code + %goal"), Ok(vec![json!("cwalk")]));
    let fault = value("  nothing.required()").expect_err("required");
    assert_eq!((fault.code, fault.offset), (EvalCode::Host, 10));
    assert!(Expression::parse("%goal", Dialect::Mapping).is_err());
}

#[test]
fn limits_hold() {
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert!(Expression::parse(&deep(60), Dialect::Search).is_ok());
    for text in [
        deep(70),
        deep(100_000),
        "-".repeat(10_000),
        "a = ".repeat(1000) + "a",
        "a and ".repeat(1000) + "a",
        "a.where(".repeat(1000),
        "[".repeat(1000),
        "a | ".repeat(5000) + "a",
        "a".repeat(70_000),
    ] {
        assert!(
            Expression::parse(&text, Dialect::Search).is_err(),
            "{}",
            &text[..20]
        );
    }
    assert!(Expression::parse(&("a | ".repeat(500) + "a"), Dialect::Search).is_ok());
    let list: Vec<u32> = (0..3000).collect();
    let input = json!({ "list": list, "text": "x".repeat(100_000) });
    for text in [
        "list.where(%context.list.where($this > 5).exists())",
        "list.select(%context.list)",
        "list.distinct()",
        "list.select(%context.text).join()",
        "text.replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxx')",
        "list.repeat(%context.list)",
    ] {
        let expression = Expression::parse(text, Dialect::Search).expect(text);
        let fault = expression.evaluate(&input, &Scope::default()).expect_err(text);
        assert!(fault.is_limit(), "{text}: {fault}");
    }
    let mut nested = json!(1);
    for _ in 0..100 {
        nested = json!([nested]);
    }
    let expression = Expression::parse("$this.count()", Dialect::Mapping).expect("parses");
    assert!(
        expression
            .evaluate(&nested, &Scope::default())
            .is_err_and(|f| f.is_limit())
    );
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expression>();
}

fn words() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "b",
        "name",
        "Patient",
        "value",
        "$this",
        "$index",
        "%source",
        "%resource",
        "'x'",
        "'é\\n'",
        "1",
        "-1",
        "2.50",
        "@2015-02",
        "@T10:30",
        "@2015-02-04T10:00:00Z",
        "4 days",
        "10 'mg'",
        "true",
        "{}",
        ".",
        ".",
        ".",
        "(",
        ")",
        "[",
        "]",
        ",",
        "=",
        "!=",
        "~",
        "<",
        ">=",
        "|",
        "+",
        "-",
        "and",
        "or",
        "xor",
        "implies",
        "in",
        "contains",
        "is",
        "as",
        "string",
        "Quantity",
        "where(",
        "select(",
        "exists()",
        "first()",
        "last()",
        "count()",
        "distinct()",
        "join(",
        "split(",
        "substring(",
        "replace(",
        "matches(",
        "iif(",
        "toString()",
        "toInteger()",
        "toDecimal()",
        "toDate()",
        "not()",
        "descendants()",
        "children()",
        "repeat(",
        "extension(",
        "resolve()",
        "ofType(",
        "all(",
        "hasValue()",
        "length()",
        "intersect(",
        "code(",
        "`q`",
        "/*",
        "//",
        "&",
        "é",
        "\u{0}",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..24).prop_map(|w| w.join(" "))
}

fn records() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        "[ a-zé0-9:T-]{0,12}".prop_map(Value::String),
        Just(json!("2015-02-04")),
        Just(json!({"$hl7": "delete"})),
        Just(json!({"value": 1, "unit": "kg"})),
        Just(json!({"reference": "Patient/1"})),
    ];
    let names = prop_oneof![
        "a",
        "b",
        "name",
        "_name",
        "valueString",
        "extension",
        "contained",
        "resourceType"
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::vec((names.clone(), inner), 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_on_any_input_never_panic(text in words(), input in records(), typed in any::<bool>()) {
        let mut input = input;
        if typed && let Some(object) = input.as_object_mut() {
            object.insert("resourceType".to_owned(), json!("Patient"));
        }
        for dialect in [Dialect::Mapping, Dialect::Search] {
            match Expression::parse(&text, dialect) {
                Err(fault) => prop_assert!(fault.offset <= text.len() && text.is_char_boundary(fault.offset)),
                Ok(expression) => {
                    let scope = Scope { source: Some(&input), host: Some(&Codes), ..Scope::default() };
                    let _ = expression.evaluate(&input, &scope);
                    let _ = expression.source_paths();
                }
            }
        }
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,40}", input in records()) {
        for dialect in [Dialect::Mapping, Dialect::Search] {
            if let Ok(expression) = Expression::parse(&text, dialect) {
                let _ = expression.evaluate(&input, &Scope::default());
            }
        }
    }
}
