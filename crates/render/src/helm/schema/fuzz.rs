//! Pseudo-random schemas and values: what the quick way decides, the full validator decides, too.

use serde_json::{Map as JsonMap, Value as Json, json};
use test_support::Dice;

use super::super::go_values::map_from_json;
use super::usual::Usual;
use super::{Schema, compile};

fn plain(dice: &mut Dice) -> Json {
    dice.pick(&[
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-3),
        json!("a"),
        json!("äb"),
        json!(""),
    ])
}

fn value(dice: &mut Dice, depth: usize) -> Json {
    match dice.below(if depth == 0 { 5 } else { 9 }) {
        0..5 => plain(dice),
        5 | 6 => (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect(),
        _ => Json::Object(map(dice, depth, value)),
    }
}

fn map(dice: &mut Dice, depth: usize, one: impl Fn(&mut Dice, usize) -> Json) -> JsonMap<String, Json> {
    (0..dice.below(4)).map(|_| (dice.pick(&["a", "b", "c"]).to_owned(), one(dice, depth - 1))).collect()
}

fn schema(dice: &mut Dice, depth: usize) -> Json {
    match dice.below(12) {
        0 => return dice.pick(&[json!(true), json!(false), json!({})]),
        1 => {
            let to = dice.pick(&["#/$defs/a", "#/$defs/b", "#/definitions/a", "#/$defs/none", "#"]);
            return json!({"$ref": to, "description": "referred"});
        }
        _ => {}
    }
    (0..1 + dice.below(3)).map(|_| keyword(dice, depth.saturating_sub(1))).collect::<JsonMap<_, _>>().into()
}

fn schemas(dice: &mut Dice, depth: usize) -> Json {
    (0..dice.below(4)).map(|_| schema(dice, depth)).collect()
}

fn keyword(dice: &mut Dice, depth: usize) -> (String, Json) {
    let types = ["array", "boolean", "integer", "null", "number", "object", "string"];
    let name = dice.pick(&[
        "type",
        "type",
        "enum",
        "const",
        "required",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "format",
        "title",
        "other",
        "properties",
        "properties",
        "additionalProperties",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
    ]);
    let value = match name {
        _ if dice.below(60) == 0 => value(dice, 1),
        "type" if dice.below(3) > 0 => json!(dice.pick(&types)),
        "type" => (0..dice.below(3)).map(|_| json!(dice.pick(&types))).collect(),
        "enum" => (0..1 + dice.below(3)).map(|_| plain(dice)).collect(),
        "const" => plain(dice),
        "required" => (0..dice.below(3)).map(|_| json!(dice.pick(&["a", "b", "c"]))).collect(),
        "uniqueItems" => json!(dice.below(2) == 0),
        "title" | "format" | "other" => json!("ipv4"),
        name if name.starts_with("min") || name.starts_with("max") || name.starts_with("ex") => {
            json!(dice.below(3))
        }
        _ if depth == 0 => return ("default".to_owned(), json!(1)),
        "properties" => Json::Object(map(dice, depth, schema)),
        "allOf" | "anyOf" | "oneOf" => schemas(dice, depth),
        _ => schema(dice, depth),
    };
    (name.to_owned(), value)
}

#[test]
fn the_quick_way_decides_as_the_full_one() {
    let drafts = [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/schema#",
    ];
    let mut dice = Dice::new(7);
    let (mut fitting, mut unfitting) = (0, 0);
    for _ in 0..15_000 {
        let mut root: JsonMap<String, Json> = (0..1 + dice.below(4)).map(|_| keyword(&mut dice, 3)).collect();
        root.insert("$schema".to_owned(), json!(dice.pick(&drafts)));
        root.insert("$defs".to_owned(), json!({"a": schema(&mut dice, 2), "b": schema(&mut dice, 1)}));
        root.insert("definitions".to_owned(), json!({"a": schema(&mut dice, 1)}));
        let Some(usual) = Usual::new(Json::Object(root.clone())) else { continue };
        let text = Json::Object(root).to_string();
        let (schemas, index) = compile(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        for _ in 0..4 {
            let json = Json::Object(map(&mut dice, 3, value));
            let values = map_from_json(json.as_object().unwrap());
            let Ok(fits) = usual.fits(&values) else { continue };
            let full = schemas.validate(&json, index);
            assert_eq!(fits, full.is_ok(), "{text}\n{json}\n{full:?}");
            *(if fits { &mut fitting } else { &mut unfitting }) += 1;
            let complaints = Schema::new(&text.as_bytes().into()).complaints(&values);
            assert_eq!(fits, complaints.is_empty(), "{text}\n{json}\n{complaints:?}");
        }
    }
    assert!(fitting > 4_000 && unfitting > 4_000, "{fitting} fit, {unfitting} do not");
}

#[test]
fn schemas_that_double_come_to_an_end() {
    let twice =
        |next: usize| json!({"allOf": [{"$ref": format!("#/$defs/{next}")}, {"$ref": format!("#/$defs/{next}")}]});
    let mut doubling: JsonMap<String, Json> = (0..40).map(|at| (at.to_string(), twice(at + 1))).collect();
    doubling.insert("40".to_owned(), json!(true));
    let schema = json!({"$ref": "#/$defs/0", "$defs": doubling}).to_string();
    let complaints = Schema::new(&schema.as_bytes().into()).complaints(&map_from_json(&JsonMap::new()));
    assert!(complaints[0].contains("too often"), "{complaints:?}");
}

#[test]
fn endless_schemas_are_left_to_the_full_validator() {
    let schema = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
    let usual = Usual::new(schema.clone()).unwrap();
    usual.fits(&map_from_json(&JsonMap::new())).unwrap_err();
    let complaints = Schema::new(&schema.to_string().as_bytes().into()).complaints(&map_from_json(&JsonMap::new()));
    assert!(!complaints.is_empty());
}
