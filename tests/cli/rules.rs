//! `loan-engine rules`.

use serde_json::json;

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

const GUIDE: &str = "name = \"guide\"\nversion = \"3\"\n[[rule]]\nname = \"florida_condo\"\n\
                     when = { property_type = [\"condo\"], property_state = [\"FL\"] }\nunless = { loan_purpose = [\"purchase\"] }\n\
                     require = { ltv_ratio = { max = 75 } }\nhard_from = 2027-01-01\n\
                     [applies]\ndti_ratio = { unless = { documentation_type = [\"dscr\"] } }\n\
                     [rules]\nltv_consistency = true\n[projection]\nminimum_price = 98\n";

#[test]
fn a_rule_set_without_mistakes_is_named_with_its_hash() {
    let desk = TestShell::new();
    desk.write("guide.toml", GUIDE);
    let answer = desk.command(&["rules", "check", "guide.toml"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.starts_with("guide 3 has no mistakes: 12 rules, 1 of its own, hash "), "{}", answer.out);
    let answer = desk.command(&["rules", "check", "guide.toml", "--format", "json"]).json();
    assert_eq!(
        (&answer["valid"], &answer["name"], &answer["version"], &answer["mistakes"]),
        (&json!(true), &json!("guide"), &json!("3"), &json!([]))
    );
    assert_eq!(answer["hash"].as_str().map(str::len), Some(64));
}

#[test]
fn every_mistake_is_a_line_of_its_own() {
    let desk = TestShell::new();
    desk.write("bad.toml", "[limits]\nltv = 1\n[[rule]]\nname = \"x\"\n");
    let answer = desk.command(&["rules", "check", "bad.toml"]);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    let lines: Vec<&str> = answer.err.lines().collect();
    let begins =
        ["bad.toml:2: unknown key `ltv`", "bad.toml:3: the rule requires nothing", "bad.toml:4: \"x\" is no name of a rule"];
    assert_eq!(lines.len(), begins.len(), "{lines:?}");
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    let answer = desk.command(&["rules", "check", "bad.toml", "--format", "json"]);
    assert_eq!(answer.code, 2);
    let answer = answer.json();
    assert_eq!(
        (&answer["valid"], &answer["mistakes"][2]["line"], &answer["mistakes"][2]["file"]),
        (&json!(false), &json!(4), &json!("bad.toml"))
    );
    assert_eq!(desk.command(&["rules", "check", "absent.toml"]).code, 2);
}

#[test]
fn the_fields_of_a_rule_set_are_shown_as_a_table() {
    let desk = TestShell::new();
    let fields = "[fields.flood_zone]\nkind = \"word\"\nheaders = [\"FEMA Zone\"]\nwords = { high_risk = [\"AE\"], low_risk = [] }\n\
                  [fields.reserves]\nkind = \"number\"\nunit = \"months\"\nrequired = true\n[fields.channel]\nkind = \"word\"\n\
                  [fields.dscr]\nrequired = true\n";
    desk.write("fields.toml", fields);
    let answer = desk.command(&["rules", "show", "fields.toml"]);
    let expected = "\nFields of this rule set\n  \
                    Field       Kind      Unit    Required  Headers    Words\n  \
                    channel     word              no                   any\n  \
                    flood_zone  word              no        FEMA Zone  high_risk, low_risk\n  \
                    reserves    number    months  yes\n  \
                    dscr        standard          yes\n";
    assert!(answer.out.contains(expected), "{}", answer.out);
}

#[test]
fn a_run_under_declared_fields_can_be_repeated() {
    let desk = TestShell::new();
    desk.write("fields.toml", "[fields.flood_zone]\nkind = \"word\"\nrequired = true\n[[rule]]\nname = \"flood\"\nrequire = { flood_zone = { not = [\"AE\"] } }\n");
    desk.write("tape.csv", format!("{HEADER},Flood Zone\n1,{GOOD_CELLS},X\n2,{GOOD_CELLS},ae\n3,{GOOD_CELLS},\n"));
    let answer = desk.command(&["run", "tape.csv", "--rule-set", "fields.toml", "--out", "out"]);
    assert!(
        answer.code <= 1 && answer.out.contains("flood ") && answer.out.contains("missing_field"),
        "{}{}",
        answer.out,
        answer.err
    );
    let answer = desk.command(&["replay", "out/manifest.json"]);
    assert!(answer.code == 0 && answer.out.contains("identical"), "{}{}", answer.out, answer.err);
}

#[test]
fn the_rules_are_shown_as_tables() {
    let desk = TestShell::new();
    desk.write("guide.toml", GUIDE);
    let answer = desk.command(&["rules", "show", "guide.toml"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let expected = [
        "guide 3",
        "  dti_ratio               hard      dti_ratio >= 0 and <= 50.0",
        "  ltv_consistency         soft      ltv_ratio within 1 points of the balance in percent of the value",
        "Built-in rules that apply to some loans only\n  dti_ratio\n    except        documentation_type dscr\n",
        "Rules of this rule set\n  florida_condo (soft, hard from 2027-01-01)\n\
         \x20   applies to    property_type condo, and property_state FL\n    except        loan_purpose purchase\n\
         \x20   requires      ltv_ratio <= 75\n    if undecided  the loan is held\n",
        "An eligible loan is held back when\n  the price is below 98.0000\n",
    ];
    for part in expected {
        assert!(answer.out.contains(part), "{part}\n{}", answer.out);
    }
    assert!(!answer.out.contains("Fields of this rule set"), "{}", answer.out);
    let built_in = desk.command(&["rules", "show"]).out;
    assert!(built_in.starts_with("built-in 1\n") && built_in.contains("ltv_ratio > 0 and <= 97.0"), "{built_in}");
}

const GRID: &str = "name = \"guide\"\nversion = \"3\"\n[[grid]]\nname = \"max_ltv\"\nfile = \"max_ltv.csv\"\n\
                    when = { loan_purpose = [\"purchase\"] }\nrows = \"credit_score\"\ncolumns = \"loan_amount\"\n\
                    gives = { max = \"ltv_ratio\" }\n[[grid]]\nname = \"llpa\"\nfile = \"llpa.csv\"\npolicy = \"unique\"\n";

/// A shell with a guide of two grids in the folder `rules`.
fn shell_with_grids() -> TestShell {
    let shell = TestShell::new();
    shell.write("rules/guide.toml", GRID);
    shell.write("rules/max_ltv.csv", "FICO by amount,\"<= 1,000,000\",≤ 2.0M\n740+,95,85\n<= 739,80,NA\n");
    shell.write("rules/llpa.csv", "state,FICO,adjustment\nFL,,(0.250)\n,700+,0.125\n");
    shell
}

#[test]
fn grids_are_read_from_the_folder_of_the_rule_set() {
    let shell = shell_with_grids();
    let answer = shell.command(&["rules", "check", "rules/guide.toml"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.starts_with("guide 3 has no mistakes: 11 rules, 1 of its own, hash "), "{}", answer.out);
    let notice = "llpa: a loan can fit the rows of llpa.csv!A2 and llpa.csv!A3, and would be held";
    assert!(answer.out.ends_with(&format!("\nNotice: {notice}\n")), "{}", answer.out);
    let json = shell.command(&["rules", "check", "rules/guide.toml", "--format", "json"]).json();
    assert_eq!(json["notices"], json!([notice]));
    let listed: Vec<&str> = json["rules"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), &listed[10..]), (12, &["max_ltv", "llpa"][..]));
    let shown = shell.command(&["rules", "show", "rules/guide.toml"]).out;
    for part in [
        "Grids of limits\n  max_ltv (hard)\n    applies to    loan_purpose purchase\n\
         \x20   gives         max ltv_ratio, by credit_score (rows) and loan_amount (columns)\n    from          max_ltv.csv\n\
         \x20   if undecided  the loan is held\n    FICO by amount  <= 1,000,000  ≤ 2.0M\n    740+                      95      85\n\
         \x20   <= 739                    80      NA\n",
        "Grids of adjustments\n  llpa\n    gives         adjustment, by property_state, credit_score, of the only row that fits\n",
        "    state  FICO  adjustment\n    FL              (0.250)\n           700+       0.125\n",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn every_mistake_of_a_grid_is_a_line_of_its_own() {
    let shell = shell_with_grids();
    shell.write("rules/llpa.csv", "state,FICO,adjustment\nAtlantis,,8O\n");
    std::fs::remove_file(shell.path("rules/max_ltv.csv")).unwrap();
    let answer = shell.command(&["rules", "check", "rules/guide.toml"]);
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    let begins = [
        "rules/guide.toml:5: there is no file max_ltv.csv beside the rule set",
        "llpa.csv!A2: \"Atlantis\" is no word of property_state",
        "llpa.csv!C2: \"8O\" is no number of points",
    ];
    let lines: Vec<&str> = answer.err.lines().collect();
    assert_eq!(lines.len(), begins.len(), "{lines:?}");
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    // A file that is too large is a mistake of the file.
    let shell = shell_with_grids();
    shell.write("rules/llpa.csv", vec![b' '; (5 << 20) + 10]);
    let answer = shell.command(&["rules", "check", "rules/guide.toml"]);
    assert!(answer.err.starts_with("llpa.csv: a grid file has at most 5 MiB"), "{}", answer.err);
}

#[cfg(unix)]
#[test]
fn a_grid_file_is_no_link_and_no_folder() {
    let shell = shell_with_grids();
    std::fs::remove_file(shell.path("rules/llpa.csv")).unwrap();
    shell.write("secret.csv", "state,FICO,adjustment\nFL,,1\n");
    std::os::unix::fs::symlink(shell.path("secret.csv"), shell.path("rules/llpa.csv")).unwrap();
    let answer = shell.command(&["rules", "check", "rules/guide.toml"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("the file llpa.csv is a link"), "{}", answer.err);
    std::fs::remove_file(shell.path("rules/llpa.csv")).unwrap();
    std::fs::create_dir(shell.path("rules/llpa.csv")).unwrap();
    let answer = shell.command(&["rules", "check", "rules/guide.toml"]);
    assert!(answer.err.contains("the file llpa.csv is a folder or no regular file"), "{}", answer.err);
}

const PRICED: &str = "name = \"agency\"\nversion = \"1\"\n[[grid]]\nname = \"llpa\"\nfile = \"llpa.csv\"\nsign = \"deduct\"\n\
                      [[adjustment]]\nname = \"condo\"\nwhen = { property_type = [\"condo\"] }\nunless = { ltv_ratio = { max = 60 } }\n\
                      points = -0.75\n[[adjustment]]\nname = \"every_loan\"\npoints = 0.125\nmissing = \"pass\"\n\
                      [pricing]\ncap = 104\nfloor = 80.5\n";

#[test]
fn adjustments_are_shown_as_a_table_with_cap_and_floor() {
    let shell = TestShell::new();
    shell.write("agency.toml", PRICED);
    shell.write("llpa.csv", "FICO,adjustment\n700+,0.125\n< 700,0.500\n");
    let shown = shell.command(&["rules", "show", "agency.toml"]).out;
    for part in [
        "\nAdjustments of the price\n  \
         Adjustment   Points  Applies to           Except           If undecided\n  \
         condo       -0.7500  property_type condo  ltv_ratio <= 60  the loan is held\n  \
         every_loan   0.1250  all loans                             it adds nothing\n",
        "  llpa\n    gives         adjustment, which is subtracted, by credit_score, of the first row that fits\n",
        "\nFinal price\n  cap    104.0000: no loan has a higher price\n  floor  80.5000: a loan with a lower price is held\n",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn programs_are_shown_side_by_side_and_counted_together() {
    let shell = TestShell::new();
    shell.write("best.toml", "name = \"best\"\nversion = \"2\"\nprograms = [\"agency.toml\", \"other.toml\"]\n");
    shell.write("agency.toml", PRICED);
    shell.write("llpa.csv", "FICO,adjustment\n700+,0.125\n< 700,0.500\n\nnote,1\n");
    let other = "name = \"other\"\nirr_target = 8.5\n[limits]\nltv_ratio = { max = 80 }\n[rules]\ndti_ratio = false\nltv_consistency = true\n\
                 [projection]\nminimum_price = 90\n[[rule]]\nname = \"first_lien\"\nwhen = { property_state = [\"TX\"] }\n\
                 require = { lien_position = [1] }\nseverity = \"soft\"\nmissing = \"fail\"\n[[adjustment]]\nname = \"condo\"\npoints = -1\n";
    shell.write("other.toml", other);
    let answer = shell.command(&["rules", "check", "best.toml"]);
    assert!(answer.out.starts_with("best 2 has no mistakes: 2 programs, 21 rules, 1 of their own, hash "), "{}", answer.out);
    assert!(answer.out.contains("\nNotice: agency: llpa: the grid ends with the row of llpa.csv!A3, "), "{}", answer.out);
    let json = shell.command(&["rules", "check", "best.toml", "--format", "json"]).json();
    assert_eq!(json["notices"].as_array().map(Vec::len), Some(1));
    let shown = shell.command(&["rules", "show", "best.toml"]).out;
    let row =
        |name: &str| shown.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{name}\n{shown}"));
    let cells = |name: &str| -> Vec<String> {
        row(name).trim_start().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    assert!(shown.starts_with("best 2\n\nPrograms "), "{shown}");
    for expected in [
        &["Programs", "agency", "other"][..],
        &["ltv_ratio", "> 0 and <= 97.0", "> 0 and <= 80"],
        &["dti_ratio", ">= 0 and <= 50.0", "-"],
        &["ltv_consistency", "-", "fields agree; soft"],
        &["first_lien", "-", "lien_position 1; for property_state"],
        &["condo", "-0.7500; for property_type condo;", "-1.0000"],
        &["llpa", "llpa.csv", "-"],
        &["IRR target", "-", "8.50 %"],
        &["cap", "104.0000", "-"],
        &["floor", "80.5000", "-"],
        &["held back when", "-", "the price is below 90.0000"],
    ] {
        assert_eq!(cells(expected[0]), expected, "{shown}");
    }
    assert!(shown.contains("\nGrids of adjustments of agency\n  llpa\n"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
}
