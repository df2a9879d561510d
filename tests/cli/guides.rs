//! Runs under a rule set with files: the files are archived, a run is repeated from them, and none of them is a tape.

use crate::support::{
    runs::{GOOD_CELLS, HEADER},
    shell::TestShell,
};

/// A folder with a rule set, its grid, a program, and a tape.
fn shell() -> TestShell {
    let shell = TestShell::new();
    shell.write("deal/acme.toml", "name = \"Acme guide\"\n[[grid]]\nname = \"llpa\"\nfile = \"llpa.csv\"\n");
    shell.write("deal/plain.toml", "name = \"Plain\"\n[[adjustment]]\nname = \"every_loan\"\npoints = -1\n");
    shell.write("deal/best.toml", "name = \"Best of two\"\nprograms = [\"acme.toml\", \"plain.toml\"]\n");
    shell.write("deal/llpa.csv", "FICO,adjustment\n700+,-0.25\n");
    shell.write("deal/tape.csv", format!("{HEADER}\nL-1,{GOOD_CELLS}\n"));
    shell
}

/// The archive of the only run in a folder of results.
fn archive(shell: &TestShell, out: &str) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(shell.path(&format!("{out}/archive"))).unwrap();
    entries.next().unwrap().unwrap().path()
}

#[test]
fn files_that_a_rule_set_names_are_no_tapes_of_its_folder() {
    let shell = shell();
    for rules in ["deal/acme.toml", "deal/best.toml"] {
        let answer = shell.command(&["run", "deal", "--rule-set", rules, "--out", "out"]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{rules}");
        assert!(answer.out.starts_with("Buy 1 of 1 loan "), "{}", answer.out);
    }
    let answer = shell.command(&["run", "deal", "--out", "out"]);
    assert!(answer.code == 1 && answer.err.contains("llpa.csv"), "{}", answer.err);
}

#[cfg(unix)]
#[test]
fn a_rule_set_that_is_a_link_names_the_files_beside_the_link() {
    let shell = shell();
    shell.write("real.toml", std::fs::read(shell.path("deal/acme.toml")).unwrap());
    std::fs::remove_file(shell.path("deal/acme.toml")).unwrap();
    std::os::unix::fs::symlink(shell.path("real.toml"), shell.path("deal/acme.toml")).unwrap();
    let answer = shell.command(&["run", "deal", "--rule-set", "deal/acme.toml", "--out", "out"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
}

#[test]
fn a_run_is_repeated_from_the_archived_files() {
    let shell = shell();
    for (rules, files) in [
        ("deal/acme.toml", &["acme.toml", "llpa.csv"][..]),
        ("deal/plain.toml", &["plain.toml"]),
        ("deal/best.toml", &["acme.toml", "best.toml", "llpa.csv", "plain.toml"]),
    ] {
        let answer = shell.command(&["run", "deal/tape.csv", "--rule-set", rules, "--out", "out"]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{rules}");
        let folder = archive(&shell, "out").join("rules");
        let mut kept: Vec<String> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        kept.sort();
        assert_eq!(kept, files, "{rules}");
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(shell.path("out/manifest.json")).unwrap()).unwrap();
        let named = manifest["rule_set"]["files"].as_array().unwrap();
        assert!(named.iter().all(|file| file["sha256"].as_str().unwrap().len() == 64), "{named:?}");
        assert_eq!(named.len(), files.len());
        let answer = shell.command(&["replay", "out/manifest.json"]);
        assert_eq!((answer.code, answer.out.as_str()), (0, "identical\n"), "{rules}");
        std::fs::write(folder.join(files[0]), "changed").unwrap();
        let answer = shell.command(&["replay", "out/manifest.json"]);
        assert!(answer.code == 1 && answer.out.contains("it was changed in the archive"), "{rules}: {}", answer.out);
        std::fs::remove_dir_all(shell.path("out")).unwrap();
    }
}

#[test]
fn a_pricing_report_stays_only_with_its_run() {
    let shell = shell();
    let run = |rules: &[&str]| {
        let answer = shell.command(&[&["run", "deal/tape.csv", "--out", "out"], rules].concat());
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        shell.path("out/pricing_report.csv").exists()
    };
    assert!(run(&["--rule-set", "deal/acme.toml"]));
    assert!(!run(&[]));
    assert!(run(&["--rule-set", "deal/best.toml"]));
}

#[test]
fn a_file_of_the_same_name_that_is_the_users_own_stays() {
    let shell = shell();
    shell.write("out/pricing_report.csv", "mine\n");
    let answer = shell.command(&["run", "deal/tape.csv", "--out", "out"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(shell.path("out/pricing_report.csv")).unwrap(), "mine\n");
}

#[test]
fn a_rule_set_whose_name_no_archive_can_keep_starts_no_run() {
    let shell = shell();
    let text = std::fs::read(shell.path("deal/acme.toml")).unwrap();
    shell.write("deal/.acme.toml", text);
    let answer = shell.command(&["run", "deal/tape.csv", "--rule-set", "deal/.acme.toml", "--out", "out"]);
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("The archive cannot keep the name of the rule set"), "{}", answer.err);
    assert!(!shell.path("out").exists());
}
