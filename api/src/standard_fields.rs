//! Describes the standard fields of a loan in the OpenAPI document, from the table of fields in `shared::loan`.

use serde_json::{Map, Value, json};
use shared::{
    loan::{Field, Unit},
    tape::aliases::{Aliases, Vocabulary},
};

/// The member of a loan after which its standard fields follow.
const BEFORE: &str = "appraisal_value";

/// Adds the standard fields to the schema of a loan, after the canonical fields, as in the answer.
pub fn add(loan: &mut Value) {
    let Some(properties) = loan.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let described: Map<String, Value> = std::mem::take(properties);
    for (name, property) in described {
        let last = name == BEFORE;
        properties.insert(name, property);
        if last {
            properties.extend(Field::STANDARD.map(|field| (field.name().to_owned(), property_of(field))));
        }
    }
}

/// The schema of a standard field.
fn property_of(field: Field) -> Value {
    let info = field.info();
    let unit = match info.unit {
        Unit::Money => ", in dollars",
        Unit::Percent => ", in percent",
        Unit::Months => ", in months",
        Unit::Date => ", as `YYYY-MM-DD`",
        Unit::Ratio | Unit::Count | Unit::Word | Unit::Text => "",
    };
    let read = match info.unit {
        Unit::Count | Unit::Months => Some("integer"),
        Unit::Money | Unit::Percent | Unit::Ratio => Some("number"),
        Unit::Date | Unit::Word | Unit::Text => None,
    };
    let kind = read.map_or_else(|| json!("string"), |read| json!([read, "string"]));
    let other = "Another text: the cell as it is written, where it could not be read. Absent: the tape has no such column, or the cell \
                 is empty.";
    json!({"type": kind, "description": format!("{}{unit}. {other}", info.label), "example": example_of(field)})
}

fn example_of(field: Field) -> Value {
    match field.info().unit {
        Unit::Money => json!(250_000),
        Unit::Percent if field == Field::OriginalRate => json!(6.5),
        Unit::Percent => json!(80),
        Unit::Ratio => json!(1.25),
        Unit::Count => json!(1),
        Unit::Months => json!(360),
        Unit::Date => json!("2026-02-01"),
        Unit::Word | Unit::Text => {
            let words = Aliases::built_in().vocabulary(field).map_or(&[][..], Vocabulary::canonical);
            words.first().map_or(Value::Null, |word| json!(word))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_field_is_described_between_the_canonical_ones_and_the_disposition() {
        let mut loan =
            json!({"properties": {"loan_amount": {}, "appraisal_value": {}, "disposition": {}}, "required": ["disposition"]});
        add(&mut loan);
        let names: Vec<&str> = loan["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let standard = Field::STANDARD.map(Field::name);
        assert_eq!(names, [&["loan_amount", "appraisal_value"][..], &standard, &["disposition"]].concat());
        assert_eq!(loan["required"], json!(["disposition"]));
        for field in Field::STANDARD {
            let property = &loan["properties"][field.name()];
            let said = property["description"].as_str().unwrap();
            assert!(said.starts_with(field.info().label) && !property["example"].is_null(), "{property}");
        }
        let of = |name: &str| loan["properties"][name].clone();
        assert_eq!(of("cltv_ratio")["type"], json!(["number", "string"]));
        assert!(of("cltv_ratio")["description"].as_str().unwrap().starts_with("CLTV, in percent. "));
        assert_eq!(
            (of("original_term")["type"].clone(), of("original_term")["example"].clone()),
            (json!(["integer", "string"]), json!(360))
        );
        assert_eq!(of("maturity_date")["type"], json!("string"));
        assert_eq!(of("documentation_type")["example"], json!("full"));
    }

    #[test]
    fn what_is_no_schema_of_a_loan_stays() {
        for before in [json!(null), json!({"type": "string"}), json!({"properties": {"name": {}}})] {
            let mut after = before.clone();
            add(&mut after);
            assert_eq!(after, before);
        }
    }
}
