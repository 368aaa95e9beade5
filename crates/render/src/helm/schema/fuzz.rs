//! Pseudo-random schemas and values: what the quick way decides, the full validator decides, too.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::super::go_values::map_from_json;
use super::usual::Usual;
use super::{Schema, compile};

/// xorshift64*, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % count
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn plain(&mut self) -> Json {
        self.pick(&[
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

    fn value(&mut self, depth: usize) -> Json {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0..5 => self.plain(),
            5 | 6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Json::Object(self.map(depth, Self::value)),
        }
    }

    fn map(&mut self, depth: usize, one: impl Fn(&mut Self, usize) -> Json) -> JsonMap<String, Json> {
        (0..self.below(4)).map(|_| (self.pick(&["a", "b", "c"]).to_owned(), one(self, depth - 1))).collect()
    }

    fn schema(&mut self, depth: usize) -> Json {
        match self.below(12) {
            0 => return self.pick(&[json!(true), json!(false), json!({})]),
            1 => {
                let to = self.pick(&["#/$defs/a", "#/$defs/b", "#/definitions/a", "#/$defs/none", "#"]);
                return json!({"$ref": to, "description": "referred"});
            }
            _ => {}
        }
        (0..1 + self.below(3)).map(|_| self.keyword(depth.saturating_sub(1))).collect::<JsonMap<_, _>>().into()
    }

    fn schemas(&mut self, depth: usize) -> Json {
        (0..self.below(4)).map(|_| self.schema(depth)).collect()
    }

    fn keyword(&mut self, depth: usize) -> (String, Json) {
        let types = ["array", "boolean", "integer", "null", "number", "object", "string"];
        let name = self.pick(&[
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
            _ if self.below(60) == 0 => self.value(1),
            "type" if self.below(3) > 0 => json!(self.pick(&types)),
            "type" => (0..self.below(3)).map(|_| json!(self.pick(&types))).collect(),
            "enum" => (0..1 + self.below(3)).map(|_| self.plain()).collect(),
            "const" => self.plain(),
            "required" => (0..self.below(3)).map(|_| json!(self.pick(&["a", "b", "c"]))).collect(),
            "uniqueItems" => json!(self.below(2) == 0),
            "title" | "format" | "other" => json!("ipv4"),
            name if name.starts_with("min") || name.starts_with("max") || name.starts_with("ex") => {
                json!(self.below(3))
            }
            _ if depth == 0 => return ("default".to_owned(), json!(1)),
            "properties" => Json::Object(self.map(depth, Self::schema)),
            "allOf" | "anyOf" | "oneOf" => self.schemas(depth),
            _ => self.schema(depth),
        };
        (name.to_owned(), value)
    }
}

#[test]
fn the_quick_way_decides_as_the_full_one() {
    let drafts = [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/schema#",
    ];
    let mut dice = Dice(7);
    let (mut fitting, mut unfitting) = (0, 0);
    for _ in 0..15_000 {
        let mut schema: JsonMap<String, Json> = (0..1 + dice.below(4)).map(|_| dice.keyword(3)).collect();
        schema.insert("$schema".to_owned(), json!(dice.pick(&drafts)));
        schema.insert("$defs".to_owned(), json!({"a": dice.schema(2), "b": dice.schema(1)}));
        schema.insert("definitions".to_owned(), json!({"a": dice.schema(1)}));
        let Some(usual) = Usual::new(Json::Object(schema.clone())) else { continue };
        let text = Json::Object(schema).to_string();
        let (schemas, index) = compile(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        for _ in 0..4 {
            let json = Json::Object(dice.map(3, Dice::value));
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
