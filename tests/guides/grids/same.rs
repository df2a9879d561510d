//! The same grid in other forms judges alike.

use proptest::prelude::*;

use super::*;

/// A matrix of DSCR by LTV in several forms.
#[derive(Debug, Clone)]
struct Written {
    /// Cuts of the axes, in hundredths.
    dscr: Vec<i64>,
    ltv: Vec<i64>,
    /// The cells, row by row; `None` is no combination.
    cells: Vec<Option<i64>>,
}

fn hundredths(value: i64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

impl Written {
    fn cell(&self, row: usize, column: usize) -> Option<i64> {
        self.cells[row * (self.ltv.len() + 1) + column]
    }

    /// The headings of an axis as `a-b` and open bands, and to the letter.
    fn headings(cuts: &[i64], step: i64) -> (Vec<String>, Vec<String>) {
        let (mut bands, mut letters) = (vec![format!("<= {}", hundredths(cuts[0]))], vec![format!("≤ {}%", hundredths(cuts[0]))]);
        for pair in cuts.windows(2) {
            bands.push(format!("{}-{}", hundredths(pair[0] + step), hundredths(pair[1])));
            letters.push(format!("({}..{}]", hundredths(pair[0]), hundredths(pair[1])));
        }
        let last = cuts[cuts.len() - 1];
        bands.push(format!("> {}", hundredths(last)));
        letters.push(format!("> {}", hundredths(last)));
        (bands, letters)
    }

    /// The rows of a matrix with one of the two ways of headings.
    fn matrix(&self, letters: bool) -> Vec<Vec<String>> {
        let pick = |(bands, other): (Vec<String>, Vec<String>)| if letters { other } else { bands };
        let (rows, columns) = (pick(Self::headings(&self.dscr, 1)), pick(Self::headings(&self.ltv, 0)));
        let mut table = vec![vec!["DSCR by LTV".to_owned()]];
        table[0].extend(columns.iter().cloned());
        for (at, heading) in rows.iter().enumerate() {
            let cells = (0..columns.len()).map(|column| self.cell(at, column).map_or("NA".to_owned(), |cell| cell.to_string()));
            table.push(std::iter::once(heading.clone()).chain(cells).collect());
        }
        table
    }

    fn list(&self) -> Vec<Vec<String>> {
        let ((_, rows), (_, columns)) = (Self::headings(&self.dscr, 1), Self::headings(&self.ltv, 0));
        let mut table = vec![["dscr", "ltv_ratio", "max ltv_ratio"].map(str::to_owned).to_vec()];
        for (row, row_heading) in rows.iter().enumerate() {
            for (column, heading) in columns.iter().enumerate() {
                let cell = self.cell(row, column).map_or("X".to_owned(), |cell| cell.to_string());
                table.push(vec![row_heading.clone(), heading.clone(), cell]);
            }
        }
        table
    }
}

fn csv(table: &[Vec<String>]) -> Vec<u8> {
    let row = |row: &Vec<String>| row.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\n";
    table.iter().map(row).collect::<String>().into_bytes()
}

/// A workbook with numbers as numbers, of which those in odd columns are shown in percent.
fn xlsx(table: &[Vec<String>]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let percent = rust_xlsxwriter::Format::new().set_num_format("0.00%");
    let sheet = book.add_worksheet();
    for (row, cells) in table.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let at = (row as u32 + 2, column as u16 + 1);
            match cell.parse::<f64>() {
                Ok(_) if column % 2 == 1 => {
                    let hundredth: f64 = format!("{cell}e-2").parse().unwrap();
                    sheet.write_number_with_format(at.0, at.1, hundredth, &percent).unwrap()
                }
                Ok(number) => sheet.write_number(at.0, at.1, number).unwrap(),
                Err(_) => sheet.write_string(at.0, at.1, cell).unwrap(),
            };
        }
    }
    book.save_to_buffer().unwrap()
}

fn written() -> impl Strategy<Value = Written> {
    let cuts = |from: i64, to: i64| {
        prop::collection::btree_set(from..to, 1..4).prop_map(|cuts| cuts.into_iter().map(|cut| cut * 5).collect::<Vec<i64>>())
    };
    (cuts(20, 40), cuts(1_000, 1_900)).prop_flat_map(|(dscr, ltv)| {
        let count = (dscr.len() + 1) * (ltv.len() + 1);
        let cell = prop::option::weighted(0.8, 40_i64..97);
        prop::collection::vec(cell, count).prop_map(move |cells| Written { dscr: dscr.clone(), ltv: ltv.clone(), cells })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_matrix_a_list_and_a_workbook_judge_alike(
        written in written(),
        loans in prop::collection::vec((prop::option::of(90_i64..210), 4_500_i64..9_700), 12),
        missing in prop::sample::select(vec!["hold", "fail", "pass"]),
    ) {
        let keys = format!("missing = \"{missing}\"\nunless = {{ occupancy_status = [\"investment\"] }}\n");
        let axes = "rows = \"dscr\"\ncolumns = \"ltv_ratio\"\ngives = { max = \"ltv_ratio\" }\n";
        let rules = |file: &str, axes: &str, bytes: &[u8]| {
            let toml = format!("[[grid]]\nname = \"max_ltv\"\nfile = \"{file}\"\n{axes}{keys}");
            loaded(&toml, &[(file, bytes)]).unwrap_or_else(|error| panic!("{error}\n{written:?}"))
        };
        let matrix = rules("a.csv", axes, &csv(&written.matrix(false)));
        let others = [
            rules("b.csv", axes, &csv(&written.matrix(true))),
            rules("c.xlsx", axes, &xlsx(&written.matrix(false))),
            rules("d.xlsx", axes, &xlsx(&written.matrix(true))),
        ];
        for other in &others {
            prop_assert_eq!(&other.id().hash, &matrix.id().hash);
        }
        let lists = [rules("e.csv", "", &csv(&written.list())), rules("f.xlsx", "", &xlsx(&written.list()))];
        prop_assert_eq!(&lists[0].id().hash, &lists[1].id().hash);
        let unique = rules("g.csv", "policy = \"unique\"\n", &csv(&written.list()));
        prop_assert_eq!(unique.guide().notices(), Vec::<&str>::new());
        for (dscr, ltv) in loans {
            let (dscr, ltv) = (dscr.map(hundredths).unwrap_or_default(), hundredths(ltv));
            let cells = [("dscr", dscr.as_str()), ("ltv_ratio", ltv.as_str())];
            // All but the address and the headings, which the message shows as written.
            let judged = |rules: &RuleSet| {
                let (told, disposition, _) = decided(rules, &cells, PDATE);
                (told.into_iter().map(|[name, severity, field, actual, limit, excess, _]| [name, severity, field, actual, limit, excess]).collect::<Vec<_>>(), disposition)
            };
            let expected = judged(&matrix);
            for other in others.iter().chain(&lists).chain([&unique]) {
                prop_assert_eq!(judged(other), expected.clone(), "{:?}", cells);
            }
        }
    }
}

#[test]
fn what_decides_nothing_leaves_the_hash() {
    let hash = |toml: &str, csv: &str| with_csv(toml, &[("max_ltv.csv", csv)]).id().hash;
    let base = hash(MAX_LTV, MAX_LTV_CSV);
    let spelled = "other words,\"≤ $1,000,000.00\",\"<= 1.5M\",\"<= 2,000,000\"\n\
                   >= 740,95%,85.0,75\n620..699,80,-,N/A\n700 to 719,85,80,\n>= 720,90,80.00,not eligible\n";
    assert_eq!(hash(MAX_LTV, spelled), base);
    for (from, to) in [("95", "95.5"), ("740+", "741+"), ("620-699", "621-699"), ("≤ 2.0M", "< 2.0M"), ("80,X", "80,80")] {
        let changed = MAX_LTV_CSV.replace(from, to).replace("720+", if from == "740+" { "720-740" } else { "720+" });
        assert_ne!(hash(MAX_LTV, &changed), base, "{from} → {to}");
    }
    for more in [
        "missing = \"fail\"",
        "severity = \"soft\"",
        "when = { dscr = { min = 1 } }",
        "category = \"pricing\"",
        "criteria = \"a.b\"",
    ] {
        assert_ne!(hash(&format!("{MAX_LTV}{more}"), MAX_LTV_CSV), base, "{more}");
    }
    assert_ne!(hash(&MAX_LTV.replace("max_ltv\"", "most_ltv\""), MAX_LTV_CSV), base);
    assert_ne!(hash(&MAX_LTV.replace("max =", "min ="), MAX_LTV_CSV), base);
    let points = |sign: &str, csv: &str| with_csv(&format!("{LLPA}sign = \"{sign}\""), &[("llpa.csv", csv)]).id().hash;
    assert_eq!(points("deduct", ",*\n*,0.25\n"), points("add", ",*\n*,(0.25)\n"));
    assert_ne!(points("deduct", ",*\n*,0.25\n"), points("add", ",*\n*,0.25\n"));
}

/// The grids of the guide with which the product is measured.
const AGENCY: &str = include_str!("agency/grids.toml");
const AGENCY_FILES: [(&str, &[u8]); 6] = [
    ("llpa_cash_out.csv", include_bytes!("agency/llpa_cash_out.csv")),
    ("llpa_purchase.csv", include_bytes!("agency/llpa_purchase.csv")),
    ("llpa_rate_term.csv", include_bytes!("agency/llpa_rate_term.csv")),
    ("loan_limit.csv", include_bytes!("agency/loan_limit.csv")),
    ("max_ltv.csv", include_bytes!("agency/max_ltv.csv")),
    ("min_score.csv", include_bytes!("agency/min_score.csv")),
];

#[test]
fn an_agency_guide_judges_and_adjusts_by_its_grids() {
    assert_eq!(RuleSetFile::new("agency.toml", AGENCY.to_owned()).named(), AGENCY_FILES.map(|(name, _)| name));
    let rules = loaded(AGENCY, &AGENCY_FILES).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((rules.guide().limit_grids().len(), rules.guide().adjustment_grids().len()), (3, 3));
    assert_eq!(rules.guide().notices(), Vec::<&str>::new());
    let base = [("number_of_units", "1"), ("property_state", "CA"), ("cltv_ratio", "80"), ("documentation_type", "full")];
    let with = |more: &[(&'static str, &'static str)]| base.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    assert_eq!(messages(&rules, &with(&[])), Vec::<String>::new());
    assert_eq!(
        messages(&rules, &with(&[("loan_purpose", "cash_out_refinance"), ("ltv_ratio", "81")])),
        [
            "LTV 81.00 % is above the maximum 80.00 % of max_ltv (max_ltv.csv!D7: loan purpose cash_out_refinance, occupancy status primary, number of units 1)"
        ]
    );
    assert_eq!(
        messages(&rules, &with(&[("credit_score", "630"), ("ltv_ratio", "75.5")])),
        ["Credit score 630 is below the minimum 640 of min_score (min_score.csv!B3: LTV 75.01% - 97.00%, number of units 1)"]
    );
    // 75.005 is above the band that ends with 75, and so in the next one.
    assert_eq!(messages(&rules, &with(&[("credit_score", "630"), ("ltv_ratio", "75.005")])).len(), 1);
    assert_eq!(
        messages(&rules, &with(&[("loan_amount", "1,249,126")])),
        ["Loan amount $1,249,126.00 is above the maximum $1,249,125.00 of loan_limit (loan_limit.csv!C3: number of units 1, \
         property state CA, CO, DC, MA, MD, NJ, NY, VA, WA)"]
    );
    assert_eq!(adjusted(&rules, &with(&[])), (Applied::Applied, vec![(-8_750, "llpa_purchase.csv!F4".to_owned())]));
}
