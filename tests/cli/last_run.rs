//! The folder of `--out` holds the results of the last run, or no results. The next run removes what a killed run left there.

use std::fs;

use crate::{
    cli::RESULTS,
    support::shell::{HEADER, TestShell, good, small_tape},
};

/// The results in a folder.
fn results(desk: &TestShell, folder: &str) -> Vec<String> {
    desk.list(folder).into_iter().filter(|name| RESULTS.contains(&name.as_str())).collect()
}

#[test]
fn a_failed_run_withdraws_the_results_of_the_run_before() {
    let desk = TestShell::new();
    desk.write("good.csv", small_tape());
    desk.write("bad.csv", "no,header\n1,2\n");
    // `bad.csv` fails before any tape is read; `rowless.csv` fails only after all tapes have been read.
    desk.write("rowless.csv", HEADER);
    desk.write("out/notes.txt", "mine");
    for bad in ["bad.csv", "rowless.csv"] {
        let id = desk.run_id(&["run", "good.csv", "--out", "out"]);
        assert_eq!(results(&desk, "out"), RESULTS);
        let archive = desk.list(&format!("out/archive/{id}"));
        assert_eq!(desk.command(&["run", "good.csv", bad, "--out", "out"]).code, 1);
        assert_eq!(results(&desk, "out"), [""; 0], "{bad}");
        assert_eq!(desk.read("out/notes.txt"), "mine");
        assert_eq!(desk.list(&format!("out/archive/{id}")), archive);
        assert_eq!(desk.command(&["replay", &format!("out/archive/{id}")]).out, "identical\n");
        fs::remove_dir_all(desk.path("out/archive")).unwrap();
        assert_eq!(desk.list("out"), ["notes.txt"]);
    }
}

#[test]
fn a_run_withdraws_results_also_when_its_archive_cannot_be_written() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.run_id(&["run", "t.csv", "--out", "out", "--no-archive"]);
    desk.write("out/archive", "a file");
    assert_eq!(desk.command(&["run", "t.csv", "--out", "out"]).code, 1);
    assert_eq!(desk.list("out"), ["archive"]);
}

#[test]
fn what_is_refused_or_dry_withdraws_nothing() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("bad.csv", "no,header\n1,2\n");
    desk.write("bad.toml", "nonsense = 1\n");
    desk.run_id(&["run", "t.csv", "--out", "out"]);
    let before = (desk.list(""), desk.read("out/manifest.json"));
    for (args, code) in [
        (&["none.csv"][..], 2),
        (&["t.csv", "t.csv"], 2),
        (&["t.csv", "--irr-target", "31"], 2),
        (&["t.csv", "--rule-set", "bad.toml"], 2),
        (&["out/purchase_tape.csv"], 2),
        (&["-", "-"], 2),
        (&["t.csv", "--dry-run"], 0),
        (&["bad.csv", "--dry-run"], 1),
    ] {
        assert_eq!(desk.command(&[&["run", "--out", "out"], args].concat()).code, code, "{args:?}");
        assert_eq!((desk.list(""), desk.read("out/manifest.json")), before, "{args:?}");
    }
}

#[test]
fn files_of_the_users_that_have_names_of_results_stay_until_a_run_has_completed() {
    let desk = TestShell::new();
    desk.write("t.csv", small_tape());
    desk.write("bad.csv", "no,header\n1,2\n");
    // Without a manifest, or with a manifest that is not one of a run, the files belong to no run.
    for manifest in [None, Some("{\"name\": \"an app\"}"), Some("[]"), Some("{\"run_id\": 7, \"outputs\": []}")] {
        desk.write("out/purchase_tape.csv", "mine");
        if let Some(manifest) = manifest {
            desk.write("out/manifest.json", manifest);
        }
        let before = desk.list("out");
        assert_eq!(desk.command(&["run", "bad.csv", "--out", "out"]).code, 1);
        assert_eq!((desk.list("out"), desk.read("out/purchase_tape.csv")), (before, "mine".to_owned()), "{manifest:?}");
        desk.run_id(&["run", "t.csv", "--out", "out"]);
        assert!(desk.read("out/purchase_tape.csv").starts_with("seller_loan_number,"));
        fs::remove_dir_all(desk.path("out")).unwrap();
    }
}

mod without_an_archive {
    use super::*;

    #[test]
    fn there_is_no_archive_and_the_manifest_says_so() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        let answer = desk.command(&["run", "t.csv", "--out", "out", "--no-archive"]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        assert!(answer.out.ends_with("No archive (--no-archive): the run cannot be repeated.\n"), "{}", answer.out);
        assert_eq!(desk.list("out"), RESULTS);
        assert!(desk.read("out/manifest.json").contains("\"archived\": false,"));
        for place in ["out", "out/manifest.json"] {
            let answer = desk.command(&["replay", place]);
            assert_eq!((answer.code, answer.out.as_str()), (1, ""));
            let expected =
                format!("error: The run of {place} was done with --no-archive, so that its tapes are missing: t.csv. ");
            assert!(answer.err.starts_with(&expected), "{}", answer.err);
        }
        // Without an archive, `output` is the last phase in the JSON answer.
        let json = desk.command(&["run", "t.csv", "--no-archive", "--format", "json"]).json();
        assert_eq!((&json["run"]["last_phase"], &json["run"]["status"]), (&"output".into(), &"completed".into()));
        assert!(!desk.path("archive").exists());
    }

    #[test]
    fn the_files_are_those_of_a_run_with_one_and_its_manifest_says_nothing_of_it() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.run_id(&["run", "t.csv", "--out", "with"]);
        desk.run_id(&["run", "t.csv", "--out", "without", "--no-archive"]);
        for name in crate::cli::timeless() {
            assert_eq!(
                fs::read(desk.path("with").join(name)).unwrap(),
                fs::read(desk.path("without").join(name)).unwrap(),
                "{name}"
            );
        }
        assert!(!desk.read("with/manifest.json").contains("archived"));
    }

    #[test]
    fn earlier_archives_stay() {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        let id = desk.run_id(&["run", "t.csv", "--out", "out"]);
        desk.run_id(&["run", "t.csv", "--out", "out", "--no-archive"]);
        assert_eq!(desk.command(&["replay", &format!("out/archive/{id}")]).out, "identical\n");
    }
}

mod after_a_kill {
    use super::*;
    use crate::crashes::RESULTS as IN_ORDER;

    /// The folder of a run's results, its staging folder, and the folder of all archives. `default` means a run without `--out`.
    fn places(default: bool, id: &str) -> (String, String, &'static str) {
        match default {
            true => (format!("outputs/{id}"), format!("outputs/.loan-engine-{id}"), "archive"),
            false => ("a/out".to_owned(), format!("a/out/.loan-engine-{id}"), "a/out/archive"),
        }
    }

    /// A folder as a killed run leaves it when `placed` of its results have their final names. Also returns the id of the run.
    fn killed_at(placed: usize, default: bool) -> (TestShell, String) {
        let desk = TestShell::new();
        desk.write("t.csv", small_tape());
        desk.write("bad.csv", "no,header\n1,2\n");
        let id = desk.run_id(if default { &["run", "t.csv"] } else { &["run", "t.csv", "--out", "a/out"] });
        let (results, staged, archives) = places(default, &id);
        fs::create_dir_all(desk.path(&staged).join("replaced")).unwrap();
        for name in IN_ORDER.iter().skip(placed) {
            fs::rename(desk.path(&results).join(name), desk.path(&staged).join(name)).unwrap();
        }
        desk.write(&format!("{staged}/.lock"), "");
        let made: &[&str] = if default { &["outputs"] } else { &["a", "a/out"] };
        let made: Vec<_> = made.iter().map(|folder| desk.path(folder).canonicalize().unwrap()).collect();
        desk.write(&format!("{staged}/.made"), serde_json::to_vec(&made).unwrap());
        let staged_archive = format!("{archives}/.loan-engine-{id}");
        desk.write(&format!("{staged_archive}/.lock"), "");
        desk.write(&format!("{staged_archive}/input/t.csv"), "half");
        let archive = [desk.path(archives).canonicalize().unwrap()];
        desk.write(&format!("{staged_archive}/.made"), serde_json::to_vec(&archive).unwrap());
        (desk, id)
    }

    #[test]
    fn what_was_not_complete_goes_with_the_next_run_even_if_that_fails() {
        for default in [false, true] {
            for placed in 0..IN_ORDER.len() {
                for archived in [&[][..], &["--no-archive"]] {
                    let (desk, _) = killed_at(placed, default);
                    let out: &[&str] = if default { &[] } else { &["--out", "a/out"] };
                    let answer = desk.command(&[&["run", "bad.csv"], out, archived].concat());
                    assert_eq!(answer.code, 1);
                    assert_eq!(desk.list(""), ["bad.csv", "t.csv"], "{default} {placed} {archived:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_complete_stays_a_run_with_its_archive() {
        let (desk, id) = killed_at(IN_ORDER.len(), true);
        desk.run_id(&["run", "t.csv"]);
        assert_eq!(desk.list(&format!("outputs/{id}")), RESULTS);
        assert_eq!(desk.command(&["replay", &format!("archive/{id}")]).out, "identical\n");
        assert!(desk.list("").iter().all(|name| !name.contains(".loan-engine-")));
    }

    #[test]
    fn the_files_that_it_was_replacing_are_there_again() {
        let (desk, id) = killed_at(2, false);
        let replaced = format!("a/out/.loan-engine-{id}/replaced");
        desk.write(&format!("{replaced}/projected_tape.csv"), "mine");
        assert_eq!(desk.command(&["run", "bad.csv", "--out", "a/out"]).code, 1);
        assert_eq!(desk.list("a"), ["out/", "out/projected_tape.csv"]);
        assert_eq!(desk.read("a/out/projected_tape.csv"), "mine");
    }

    #[test]
    fn a_run_that_has_completed_there_since_keeps_its_archive() {
        let (desk, killed) = killed_at(3, false);
        // The other run began before the kill, so it did not remove the remains.
        let other = desk.run_id(&["run", "t.csv", "--out", "b"]);
        for name in RESULTS {
            fs::rename(desk.path("b").join(name), desk.path("a/out").join(name)).unwrap();
        }
        fs::rename(desk.path(&format!("b/archive/{other}")), desk.path(&format!("a/out/archive/{other}"))).unwrap();
        let answer = desk.command(&["run", "t.csv", "--out", "a/out"]);
        assert_eq!(answer.code, 0, "{}", answer.err);
        assert_eq!(desk.command(&["replay", &format!("a/out/archive/{other}")]).out, "identical\n");
        assert!(!desk.path(&format!("a/out/archive/{killed}")).exists());
    }

    #[test]
    fn a_withdrawal_that_was_cut_short_is_finished() {
        for withdrawn in 1..=IN_ORDER.len() {
            let desk = TestShell::new();
            desk.write("t.csv", small_tape());
            desk.write("bad.csv", "no,header\n1,2\n");
            desk.run_id(&["run", "t.csv", "--out", "out", "--no-archive"]);
            let staged = "out/.loan-engine-00000000-0000-4000-8000-000000000007";
            desk.write(&format!("{staged}/.lock"), "");
            fs::create_dir(desk.path(staged).join("withdrawn")).unwrap();
            for name in IN_ORDER.iter().rev().take(withdrawn) {
                fs::rename(desk.path("out").join(name), desk.path(staged).join("withdrawn").join(name)).unwrap();
            }
            assert_eq!(desk.command(&["run", "bad.csv", "--out", "out"]).code, 1);
            assert_eq!(desk.list("out"), [""; 0], "{withdrawn}");
        }
    }

    #[test]
    fn a_list_of_made_folders_is_believed_only_of_those_around_it() {
        let (desk, id) = killed_at(0, false);
        fs::create_dir(desk.path("elsewhere")).unwrap();
        let list = [desk.path("elsewhere"), desk.path("a/out")].map(|folder| folder.canonicalize().unwrap());
        desk.write(&format!("a/out/.loan-engine-{id}/.made"), serde_json::to_vec(&list).unwrap());
        assert_eq!(desk.command(&["run", "bad.csv", "--out", "a/out"]).code, 1);
        assert_eq!(desk.list(""), ["a/", "bad.csv", "elsewhere/", "t.csv"]);
    }

    #[test]
    fn a_run_into_a_new_folder_can_be_repeated_after_it() {
        let (desk, _) = killed_at(4, false);
        desk.write("t.csv", format!("{HEADER}{}", good("007")));
        let id = desk.run_id(&["run", "t.csv", "--out", "a/out"]);
        assert_eq!(desk.command(&["replay", "a/out"]).out, "identical\n");
        let archives: Vec<_> =
            fs::read_dir(desk.path("a/out/archive")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(archives, [id.as_str()]);
    }
}
