use super::*;
use crate::model::each::EachMap;
use proptest::prelude::*;

fn values(list: &[&str]) -> Table {
    let list = list.iter().map(|v| v.as_bytes().to_vec()).collect();
    Table::of_literal(&Source::List(list)).unwrap().unwrap()
}

fn records(columns: &[&str], cells: &[&str]) -> Table {
    let mut all = Values::default();
    cells.iter().for_each(|c| all.push(c.as_bytes()).unwrap());
    let columns = columns.iter().map(|c| (*c).to_owned()).collect();
    Table::Records { columns: Arc::new(columns), cells: Arc::new(all) }
}

fn range(first: i64, last: i64, step: i64) -> Table {
    Table::of_literal(&Source::Range { first, last, step }).unwrap().unwrap()
}

fn set(zip: bool, vars: &[(&str, Table)]) -> Result<InputSet, String> {
    let source = || Source::List(Vec::new());
    let foreach = Foreach {
        vars: vars
            .iter()
            .map(|(name, _)| ForeachVar { name: (*name).to_owned(), source: source() })
            .collect(),
        zip,
    };
    InputSet::new(&foreach, vars.iter().map(|(_, table)| table.clone()).collect())
}

fn name(text: &str) -> Name {
    Template::parse(&format!("{{{text}}}"), crate::plan::template::Place::Plain)
        .unwrap()
        .names()
        .next()
        .unwrap()
        .clone()
}

fn get(inputs: &InputSet, index: u32, text: &str) -> Option<String> {
    inputs.lookup(index, &name(text)).map(|v| String::from_utf8_lossy(&v).into_owned())
}

fn jobs(inputs: &InputSet) -> Vec<String> {
    (0..inputs.len()).map(|i| inputs.short(i)).collect()
}

#[test]
fn several_variables_are_a_product_and_the_first_changes_slowest() {
    let inputs = set(false, &[("a", values(&["x", "y"])), ("n", range(1, 3, 1))]).unwrap();
    assert_eq!(jobs(&inputs), ["x 1", "x 2", "x 3", "y 1", "y 2", "y 3"]);
    assert_eq!(get(&inputs, 4, "n"), Some("2".to_owned()));
    assert_eq!(get(&inputs, 4, "m"), None);
}

#[test]
fn zip_links_variables_of_equal_length() {
    let inputs = set(true, &[("a", values(&["x", "y"])), ("n", range(9, 7, -2))]).unwrap();
    assert_eq!(jobs(&inputs), ["x 9", "y 7"]);
    let error = set(true, &[("a", values(&["x", "y"])), ("n", range(1, 3, 1))]).unwrap_err();
    assert!(error.contains("`a` has 2") && error.contains("`n` has 3"), "{error}");
}

#[test]
fn an_empty_source_gives_no_jobs_and_none_gives_one() {
    for zip in [false, true] {
        assert_eq!(set(zip, &[("a", values(&[]))]).unwrap().len(), 0);
    }
    let huge = range(1, 100_000_000, 1);
    let empty =
        set(false, &[("a", huge.clone()), ("b", values(&[])), ("c", huge.clone())]).unwrap();
    assert!(empty.is_empty());
    assert_eq!(InputSet::none().len(), 1);
    assert!(InputSet::none().vars(0).is_empty());
    let error = set(false, &[("a", huge), ("b", values(&["1", "2"]))]).unwrap_err();
    assert!(error.contains("100000000 jobs"), "{error}");
}

#[test]
fn records_give_columns_and_plain_values_give_fields_of_paths() {
    let rows = records(&["id", "First Name"], &["1", "Ann", "2", "/a/b.c"]);
    let inputs = set(false, &[("row", rows), ("f", values(&["d/a.tar.gz"]))]).unwrap();
    assert_eq!(get(&inputs, 1, "row.id").as_deref(), Some("2"));
    assert_eq!(get(&inputs, 1, "id").as_deref(), Some("2"));
    assert_eq!(get(&inputs, 0, "row"), None);
    assert_eq!(get(&inputs, 0, "row.nope"), None);
    for (field, part) in [("name", "a.tar.gz"), ("stem", "a.tar"), ("ext", "gz"), ("dir", "d")] {
        assert_eq!(get(&inputs, 0, &format!("f.{field}")).as_deref(), Some(part));
    }
    let vars = inputs.vars(1);
    let vars: Vec<(&str, &[u8])> = vars.iter().map(|(n, v)| (n.as_str(), v.as_ref())).collect();
    assert_eq!(
        vars,
        [("row_id", b"2".as_slice()), ("row_First_Name", b"/a/b.c"), ("f", b"d/a.tar.gz")]
    );
    assert_eq!(inputs.short(1), "2,b.c a.tar.gz");
    for (text, known) in [
        ("row.id", true),
        ("id", true),
        ("row", false),
        ("row.x", false),
        ("f.stem", true),
        ("f.x", false),
        ("x", false),
    ] {
        assert_eq!(inputs.knows(&name(text)), known, "{text}");
    }
}

#[test]
fn short_lines_are_harmless() {
    let long = "x".repeat(100);
    let inputs = set(false, &[("a", values(&["a\nb\u{1b}[31m\u{202e}", &long]))]).unwrap();
    assert_eq!(inputs.short(0), "a\\nb\\u{1b}[31m\\u{202e}");
    assert_eq!(inputs.short(1).chars().count(), 41);
}

#[test]
fn values_are_split_in_place() {
    let split = |bytes: &[u8], separator| {
        let values = Values::split(bytes.to_vec(), separator).unwrap();
        values.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(split(b"a\n\nbc", b'\n'), [b"a".to_vec(), b"".to_vec(), b"bc".to_vec()]);
    assert_eq!(split(b"a\n", b'\n'), [b"a".to_vec()]);
    assert_eq!(split(b"\n", b'\n'), [b"".to_vec()]);
    assert!(split(b"", b'\n').is_empty());
    assert_eq!(split(b"a\nb\0\xff\0", 0), [b"a\nb".to_vec(), b"\xff".to_vec()]);
    assert_eq!(Values::split(b"a\nb\0c".to_vec(), b'\n'), Err(ValuesError::Nul(1)));
}

#[test]
fn each_links_jobs_by_the_variables_that_both_have() {
    let a = || ("a", values(&["x", "y"]));
    let n = || ("n", range(1, 3, 1));
    let both = set(false, &[a(), n()]).unwrap();
    let only_a = set(false, &[a()]).unwrap();
    let swapped = set(false, &[n(), a()]).unwrap();
    let map = link(&only_a, &both);
    assert_eq!((map.ups_of(4), map.downs_of(1)), (vec![1], vec![3, 4, 5]));
    let map = link(&both, &swapped);
    for down in 0..6 {
        let up = map.ups_of(down)[0];
        assert_eq!(get(&both, up, "a"), get(&swapped, down, "a"));
        assert_eq!(get(&both, up, "n"), get(&swapped, down, "n"));
    }
    let same_numbers = set(false, &[("n", values(&["1", "2", "3"]))]).unwrap();
    assert_eq!(link(&same_numbers, &both).ups_of(5), [2]);
    assert_eq!(link(&InputSet::none(), &InputSet::none()), EachMap::identity(1));
}

fn link(up: &InputSet, down: &InputSet) -> EachMap {
    let found = each_map(up, down).unwrap();
    assert_eq!(found.warning, None);
    found.map
}

fn pairs(map: &EachMap, downs: u32) -> Vec<Vec<u32>> {
    (0..downs).map(|down| map.ups_of(down)).collect()
}

#[test]
fn lists_that_are_the_same_are_linked_by_arithmetic() {
    let million = || ("n", range(1, 1_000_000, 1));
    let (up, down) = (set(false, &[million()]).unwrap(), set(false, &[million()]).unwrap());
    assert!(matches!(link(&up, &down), EachMap::Product(_)));
    let twins = set(false, &[("n", values(&["1", "1"]))]).unwrap();
    assert_eq!(pairs(&link(&twins, &twins), 2), [[0], [1]]);
}

#[test]
fn each_goes_by_value_whatever_the_order() {
    let list = |list: &[&str]| set(false, &[("x", values(list))]).unwrap();
    let map = link(&list(&["a", "b", "c"]), &list(&["c", "a", "b"]));
    assert_eq!(pairs(&map, 3), [[2], [0], [1]]);
    // More above than below; and a value that stands there twice.
    let map = link(&list(&["a", "b", "c", "b"]), &list(&["b"]));
    assert_eq!((map.ups_of(0), map.downs_of(0)), (vec![1, 3], vec![]));
    let ranges = |first, last, step| set(false, &[("x", range(first, last, step))]).unwrap();
    assert_eq!(pairs(&link(&ranges(1, 3, 1), &ranges(3, 1, -1)), 3), [[2], [1], [0]]);
    let map = link(&ranges(1, 3, 1), &list(&["2", "3"]));
    assert_eq!(pairs(&map, 2), [[1], [2]]);
    // `zip` on one side only.
    let vars = [("a", values(&["x", "y"])), ("b", values(&["1", "2"]))];
    let (zip, product) = (set(true, &vars).unwrap(), set(false, &vars).unwrap());
    assert_eq!(pairs(&link(&product, &zip), 2), [[0], [3]]);
    assert_eq!(link(&zip, &zip).ups_of(1), [1]);
    // Columns that both have count, others do not.
    let up = records(&["id", "name"], &["1", "Ann", "2", "Bo"]);
    let down = records(&["age", "id"], &["30", "2", "40", "1", "50", "2"]);
    let (up, down) = (set(false, &[("r", up)]).unwrap(), set(false, &[("r", down)]).unwrap());
    assert_eq!(pairs(&link(&up, &down), 3), [[1], [0], [1]]);
}

#[test]
fn a_job_without_a_partner_needs_nobody_and_is_named() {
    let list = |list: &[&str]| set(false, &[("x", values(list))]).unwrap();
    for (up, down, warning) in [
        (&["a"][..], &["a", "b"][..], "1 of its 2 jobs has no partner there: `x` b"),
        (
            &["b"],
            &["b", "c", "d", "c", "e"],
            "4 of its 5 jobs have no partner there: `x` c, `x` d, `x` e",
        ),
        (
            &["b"],
            &["b", "c", "d", "e", "f"],
            "4 of its 5 jobs have no partner there: `x` c, `x` d, `x` e, ...",
        ),
        (&[], &["a"], "its only job has no partner there: `x` a"),
    ] {
        let found = each_map(&list(up), &list(down)).unwrap();
        assert_eq!(found.warning.as_deref(), Some(warning));
        let alone =
            pairs(&found.map, down.len() as u32).iter().filter(|ups| ups.is_empty()).count();
        assert_eq!(alone, down.iter().filter(|v| !up.contains(v)).count());
    }
    let zip = set(true, &[("a", values(&["x", "y"])), ("b", values(&["1", "2"]))]).unwrap();
    let product = set(false, &[("a", values(&["x", "y"])), ("b", values(&["1", "2"]))]).unwrap();
    let warning = each_map(&zip, &product).unwrap().warning.unwrap();
    assert!(warning.ends_with("there: `a` x with `b` 2, `a` y with `b` 1"), "{warning}");
}

#[test]
fn each_says_why_jobs_cannot_be_linked() {
    let one = |name, list: &[&str]| set(false, &[(name, values(list))]).unwrap();
    let x = one("a", &["x", "y"]);
    let error = each_map(&x, &one("b", &["x", "y"])).unwrap_err();
    assert!(error.contains("`a`") && error.contains("`b`"), "{error}");
    assert!(each_map(&x, &InputSet::none()).unwrap_err().contains("none"));
    let error = each_map(&x, &one("a", &["./x", "./y"])).unwrap_err();
    assert!(error.ends_with("no job of the two tasks has: `a` x here, `a` x there"), "{error}");
    let row = set(false, &[("a", records(&["id"], &["x"]))]).unwrap();
    assert!(each_map(&x, &row).unwrap_err().contains("no column in common"));
}

proptest! {
    #[test]
    fn each_maps_agree_in_both_directions(
        lens in prop::collection::vec((0..4_i64, 0..4_u8), 1..5),
        seed in any::<u64>(),
    ) {
        // Each axis is in the upper task, the lower one, or both, there with the same values or
        // with others; the lower one's are turned.
        let var = |i: usize, len: i64, more: bool| {
            let table = match (len, more) {
                (0, false) => values(&[]),
                (_, false) => range(1, len, 1),
                (_, true) => values(&["3", "9", "2", "3"]),
            };
            (["a", "b", "c", "d", "e"][i], table)
        };
        let pick = |side: u8| -> Vec<(&'static str, Table)> {
            let axes = lens.iter().enumerate().filter(|(_, (_, s))| *s == side || *s >= 2);
            axes.map(|(i, (len, s))| var(i, *len, *s == 3 && side == 1)).collect()
        };
        let (up_vars, mut down_vars) = (pick(0), pick(1));
        let n_down = down_vars.len().max(1);
        down_vars.rotate_left((seed % n_down as u64) as usize);
        let (up, down) = (set(false, &up_vars).unwrap(), set(false, &down_vars).unwrap());
        let Ok(EachFor { map, .. }) = each_map(&up, &down) else { return Ok(()) };
        let shared: Vec<&str> = up_vars.iter().map(|v| v.0).filter(|n| down_vars.iter().any(|d| d.0 == *n)).collect();
        for d in 0..down.len() {
            let wanted: Vec<u32> = (0..up.len())
                .filter(|u| shared.iter().all(|n| get(&up, *u, n) == get(&down, d, n)))
                .collect();
            let mut ups = map.ups_of(d);
            ups.sort_unstable();
            prop_assert_eq!(ups, wanted);
        }
        for u in 0..up.len() {
            for d in map.downs_of(u) {
                prop_assert!(map.ups_of(d).contains(&u));
            }
        }
    }

    #[test]
    fn split_and_push_agree(parts in prop::collection::vec(prop::collection::vec(1..=255_u8, 0..5), 0..20)) {
        let parts: Vec<Vec<u8>> = parts.into_iter().map(|mut p| { p.retain(|b| *b != b'\n'); p }).collect();
        let mut pushed = Values::default();
        let mut text = Vec::new();
        for part in &parts {
            pushed.push(part).unwrap();
            text.extend_from_slice(part);
            text.push(b'\n');
        }
        prop_assert_eq!(Values::split(text, b'\n').unwrap(), pushed);
    }
}
