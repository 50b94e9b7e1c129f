use super::*;
use clap::CommandFactory;

fn parse(line: &str) -> Result<Verb, String> {
    let words = std::iter::once("ganger").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.verb).map_err(|e| e.to_string())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn scaling_takes_numbers_with_and_without_sign() {
    for (line, size, now) in [
        ("scale 4", ScaleTo::Exactly(4), false),
        ("scale +2", ScaleTo::More(2), false),
        ("scale -1", ScaleTo::Fewer(1), false),
        ("scale -1 --now", ScaleTo::Fewer(1), true),
        ("scale --now -1", ScaleTo::Fewer(1), true),
        ("scale -r brave -2", ScaleTo::Fewer(2), false),
    ] {
        match parse(line) {
            Ok(Verb::Scale(args)) => assert_eq!((args.size, args.now), (size, now), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    for line in ["scale", "scale x", "scale --1", "scale +", "scale 1.5", "scale -", "scale +-1"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for line in [
        "",
        "run",
        "run f --output some",
        "run f --json --plain",
        "run f --set x",
        "run f --set =1",
        "kill",
        "kill 0",
        "kill 3 --signal NOPE",
        "kill 3 --now --signal TERM",
        "retry",
        "pause 3 --pool io",
        "logs",
        "prio",
        "prio 3 --first --to 4",
        "prio 3 --to x",
        "events --by nobody",
        "logs 3 --stdout --stderr",
        "logs 3 --all",
        "logs 3 --search x -f",
        "logs --timestamps",
        "stop --now --drain",
        "run f --glyphs fancy",
        "completions tcsh",
        "jobs --sort size",
        "jobs --limit -1",
        "job",
        "lock",
        "lock db",
        "lock -- true",
        "lock db --try --timeout 1s -- true",
        "lock hold",
        "sem api --max 0 -- true",
        "event wait",
        "queue get q -n 0",
        "queue each q",
        "value cas n old",
        "value cas n old new --absent",
        "nonsense",
    ] {
        assert!(parse(line).is_err(), "`ganger {line}` was taken");
    }
}

#[test]
fn everything_of_the_reference_is_taken() {
    for line in [
        "run f.yaml a b -j 4 --set x=1 --set y==2 --dry-run",
        "run - -j 50% --plain --output tagged --report -",
        "run f -j auto --json --report r.json --no-hold",
        "check f --json",
        "schema",
        "ls --json --all",
        "status brave --json",
        "jobs",
        "jobs failed cpu>1 --sort cpu --reverse --limit 10 --json -r brave",
        "job resize:3 --json -r brave",
        "tasks brave --json",
        "scale 3 --pool io -r brave --now",
        "pause",
        "pause 3 :4 resize:5 -r brave",
        "continue --pool io",
        "kill 17 resize:3 --now",
        "kill :17 --signal SIGUSR1",
        "retry 1 2",
        "prio 17 resize:3",
        "prio :17 --to -5 -r brave",
        "prio :17 --first",
        "prio :17 --reset",
        "undo brave",
        "events brave -f --json -n 100 --text x --kind asked --job :3 --task a --by people",
        "stop brave --now",
        "stop --drain",
        "logs :17#2 -f --stderr",
        "logs --all -f --timestamps -r brave",
        "logs resize:3 --timestamps --stdout",
        "logs --search error",
        "logs 17 --search /err(or)?/ --stderr",
        "why :17 -r brave",
        "run f --theme nord --glyphs block",
        "themes",
        "themes nord",
        "lock db -- psql -f x.sql",
        "lock a b --shared --timeout 10s -r brave -- cmd --try",
        "lock db --try -- true",
        "lock hold db --pid 7 --timeout 1s",
        "lock release a b --anyone",
        "lock db hold -- true",
        "sem api --max 3 -n 2 --try -- curl x",
        "event set e",
        "event wait e --timeout 1s -r brave",
        "barrier wait b --parties 3 --try",
        "barrier reset b",
        "queue put q a b --max 3 --priority -1 --timeout 1s",
        "queue put q -0",
        "queue put q --raw",
        "queue get q -n 3 -0 --tickets",
        "queue get q --raw --for-good",
        "queue done q 1 2",
        "queue done q -n 2",
        "queue each q -- convert {} {}.png",
        "queue len q -r brave",
        "value add n -5",
        "value set n -5",
        "value cas n old new",
        "value cas n --absent new",
        "kv add t k 3",
        "kv list t --json",
        "locks brave --json",
        "deadlocks",
        "completions bash",
        "man",
    ] {
        assert!(parse(line).is_ok(), "`ganger {line}`: {:?}", parse(line));
    }
}

/// What stands once for all of these: `--run`, `--timeout`, `--try`.
const SHARING: [&str; 7] = ["lock", "sem", "event", "barrier", "queue", "value", "kv"];

#[test]
fn the_docs_mention_every_verb_and_every_flag() {
    let docs = include_str!("../../docs/cli.md");
    for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = verb.get_name();
        let heads = [' ', '`'].map(|after| docs.find(&format!("\n## `ganger {name}{after}")));
        let start = heads.into_iter().flatten().min().unwrap_or_else(|| panic!("{name}"));
        let section = docs[start + 4..].split("\n## ").next().unwrap_or_default();
        for arg in verb.get_arguments().filter(|arg| arg.get_id() != "help") {
            let shown = match arg.get_long() {
                Some(long) => format!("--{long}"),
                None => arg.get_id().as_str().to_uppercase(),
            };
            let shown = match shown.as_str() {
                "SIZE" => "N|+N|-N".to_owned(),
                "TASKS" => "TASK".to_owned(),
                "JOBS" => "JOB".to_owned(),
                "NAMES" => "NAME".to_owned(),
                // For all of the verbs about what jobs share.
                "--run" | "--timeout" | "--try" if SHARING.contains(&name) => continue,
                _ => shown,
            };
            assert!(section.contains(&shown), "docs/cli.md: `{name}` does not mention {shown}");
        }
        assert!(section.contains("```"), "docs/cli.md: `{name}` has no example");
    }
}
