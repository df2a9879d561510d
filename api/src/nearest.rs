//! Finds the known name that an unknown name was probably meant to be.

/// Longest name that is compared with the known ones, in characters.
const MAX_COMPARED: usize = 64;
/// Shortest name that counts as part of a known one, in characters.
const MIN_PART: usize = 4;

/// The known name that `name` was probably meant to be: up to a third of the letters, and at least one, may be wrong, or `name`
/// is part of the known name. `None` when no known name is near.
pub fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    if length > MAX_COMPARED {
        return None;
    }
    let near = known.iter().map(|known| (distance(&name, known), *known)).min_by_key(|(distance, _)| *distance);
    let near = near.filter(|(distance, _)| *distance <= (length / 3).max(1)).map(|(_, known)| known);
    near.or_else(|| known.iter().find(|known| length >= MIN_PART && known.contains(name.as_str())).copied())
}

/// Number of letters to insert, delete, replace or swap with the next one to turn one text into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(from != to);
            let swapped = (i > 0 && j > 0 && a[i - 1] == *to && b[j - 1] == *from).then(|| rows[i - 1][j - 1] + 1);
            let least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            row.push(swapped.map_or(least, |swapped| least.min(swapped)));
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_what_it_was_meant_to_be() {
        let known = ["run_id", "severity", "seller_loan_number", "skip", "limit"];
        for (name, near) in [
            ("severty", Some("severity")),
            ("SEVERITY", Some("severity")),
            ("runid", Some("run_id")),
            ("run-id", Some("run_id")),
            ("skpi", Some("skip")),
            ("loan_number", Some("seller_loan_number")),
            ("offset", None),
            ("x", None),
            ("", None),
            (&"s".repeat(10_000), None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
    }
}
