//! Grids about fields that the rule set declares, and lists whose rows add up.

use super::*;

const CHANNEL: &str = "[fields.channel]\nkind = \"word\"\nheaders = [\"Origination channel\"]\n";

/// The points that a grid gives the good loan on a tape with this channel.
fn points(rules: &RuleSet, channel: &str) -> Option<String> {
    use crate::support::runs::{GOOD_CELLS, HEADER, run_tapes};
    let tape = format!("{HEADER},Origination channel\nL-1,{GOOD_CELLS},{channel}\n");
    let finished = run_tapes(&[("tape.csv", tape.as_bytes())], rules, runs::ONE).unwrap();
    finished.rows("pricing_report.csv").first().map(|row| row["charge"].clone())
}

#[test]
fn a_grid_asks_about_a_declared_field_without_a_list_of_words() {
    let toml = format!("{CHANNEL}[[grid]]\nname = \"charge\"\nfile = \"g.csv\"\n");
    let rules = with_csv(&toml, &[("g.csv", "Origination Channel,adjustment\nretail,1\n\"not broker, retail\",2\nbroker,3\n")]);
    assert_eq!(points(&rules, "Retail"), Some("1.0000".to_owned()));
    assert_eq!(points(&rules, "BROKER"), Some("3.0000".to_owned()));
    assert_eq!(points(&rules, "wholesale"), Some("2.0000".to_owned()));
    let matrix = format!(
        "{CHANNEL}[[grid]]\nname = \"charge\"\nfile = \"g.csv\"\nrows = \"channel\"\ncolumns = \"credit_score\"\ngives = \
         \"adjustment\"\n"
    );
    let rules = with_csv(&matrix, &[("g.csv", "x,*\nretail,1\nnot retail,2\n")]);
    assert_eq!(points(&rules, "retail"), Some("1.0000".to_owned()));
    assert_eq!(points(&rules, "wholesale"), Some("2.0000".to_owned()));
}

#[test]
fn neither_the_delimiter_nor_the_order_of_words_changes_the_hash() {
    let matrix = format!(
        "{CHANNEL}[[grid]]\nname = \"charge\"\nfile = \"g.csv\"\nrows = \"channel\"\ncolumns = \"credit_score\"\ngives = \
         \"adjustment\"\n"
    );
    let hash = |csv: &str| with_csv(&matrix, &[("g.csv", csv)]).id().hash;
    let comma = hash("x,*\nretail,1\nbroker,2\n");
    assert_eq!(hash("x;*\nretail;1\nbroker;2\n"), comma);
    assert_eq!(hash("x,*\nBroker,2\nRetail,1\n"), comma);
    assert_ne!(hash("x,*\nretail,1\nbank,2\n"), comma);
}

#[test]
fn many_words_leave_room_for_those_of_the_right_delimiter() {
    let words: String = (0..60).map(|at| format!("word{at};{at}\n")).collect();
    let toml = format!("{CHANNEL}[[grid]]\nname = \"charge\"\nfile = \"g.csv\"\n");
    let rules = with_csv(&toml, &[("g.csv", &format!("channel;adjustment\n{words}"))]);
    assert_eq!(points(&rules, "word59"), Some("59.0000".to_owned()));
}

#[test]
fn a_held_loan_shows_the_rows_of_a_sum_that_fit() {
    let toml = "[[grid]]\nname = \"charge\"\nfile = \"g.csv\"\npolicy = \"sum\"\n";
    let csv = "property_type,dscr,adjustment\nsfr,,1\n,< 1,2\n,>= 5,4\n";
    let decide = |rules: &RuleSet| {
        let loan = LoanBuilder::good().build();
        let decided = judge(&loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, PDATE));
        (decided.disposition.as_str(), decided.price.map(|price| price.final_price.0 - price.base_price.0))
    };
    assert_eq!(decide(&with_csv(toml, &[("g.csv", csv)])), ("projected", Some(10_000)));
    let passes = format!("{toml}missing = \"pass\"\n");
    assert_eq!(decide(&with_csv(&passes, &[("g.csv", csv)])), ("to_purchase", Some(0)));
}

#[test]
fn cells_longer_than_any_heading_are_mistakes() {
    let toml = "[[grid]]\nname = \"charge\"\nfile = \"g.csv\"\n";
    let csv = format!("credit_score,adjustment\n1{},2\n", "-".repeat(400_000));
    let error = loaded(toml, &[("g.csv", csv.as_bytes())]).unwrap_err();
    let [mistake] = &error.mistakes[..] else { panic!("{error}") };
    assert!(mistake.message.contains("more than 1000 characters"), "{error}");
}
