//! What a kill would do.

use super::*;
use crate::model::waits::preview::{Fate, Preview};
use crate::model::waits::text::Words;
use crate::xray::preview;

fn previewed(scene: &str, victims: &[i32]) -> Preview {
    let second = look(scene);
    let victims: Vec<ProcRef> = victims.iter().map(|pid| proc(*pid)).collect();
    preview(&earlier(&second), &second, &victims)
}

fn drawn(scene: &str, victims: &[i32]) -> String {
    previewed(scene, victims).drawn(&Words::new(Mono(SECOND)))
}

#[test]
fn what_becomes_of_it_depends_on_what_it_is() {
    for (wait, fate) in [
        ("file_lock:a p10 held=p10", Fate::Freed),
        ("file_lock:a p10 p30 held=p10 held=p30", Fate::Shared),
        ("mutex:a 10 held=10", Fate::Kept),
        ("mutex:a 10 held=10 robust", Fate::Marked),
        ("mutex:a 10 held=10 inheriting", Fate::Aborts),
        ("rwlock:a 10 held=10", Fate::Kept),
        ("mp_lock:a p10 held=p10", Fate::Kept),
        ("mp_rlock:a 10 held=10", Fate::Kept),
        ("py_semaphore:a p10 inferred", Fate::Kept),
        ("py_semaphore:a p10 p30 inferred", Fate::Shared),
        ("py_semaphore:a p10 p20 inferred", Fate::Kept),
        ("semaphore:a p10 outside", Fate::Shared),
        ("pipe_read:a p10 held=p10", Fate::Ended),
        ("pipe_read:a p10 p20 held=p10 held=p20", Fate::Shared),
        ("pipe_write:a p10 held=p10", Fate::Ended),
        ("unix_recv:a p10 held=p10", Fate::Ended),
        ("wait_child:a p10 p30 held=p10 held=p30", Fate::Ended),
        ("sysv_sem:a p10 held=p10", Fate::Unknown),
        ("ganger_lock:a p10 held=p10", Fate::Freed),
    ] {
        let preview = previewed(&format!("10 runs\n30 runs\n20 {wait}"), &[10]);
        let fates: Vec<Fate> = preview.fates.iter().map(|fated| fated.fate).collect();
        assert_eq!(fates, [fate], "{wait}");
        assert_eq!(preview.is_harmful(), matches!(fate, Fate::Kept | Fate::Aborts));
        // Who has nothing of it does nothing to it, and the dead do not wait.
        assert!(previewed(&format!("10 runs\n40 runs\n20 {wait}"), &[40]).fates.is_empty());
        assert!(previewed(&format!("10 runs\n20 {wait}"), &[10, 20]).fates.is_empty());
    }
}

#[test]
fn a_kill_that_opens_a_circle_leaves_nothing() {
    let scene = "10 file_lock:a p20 held=p20\n20 file_lock:b p10 held=p10
                 1 wait_child:c p10 held=p10";
    let preview = previewed(scene, &[20]);
    assert_eq!((preview.left.len(), preview.instead.len()), (0, 0));
    assert_eq!(
        drawn(scene, &[20]),
        "a kill of prog (pid 20) would\n  free file lock #1: prog (pid 10) can get it\n"
            .replace("file lock #1", "file lock")
    );
}

#[test]
fn a_kill_that_orphans_a_lock_says_what_would_be_better() {
    let scene = "process 10 job=1\nprocess 20 job=2\nprocess 21 job=2
                 10 mp_lock:a p20 held=p20\n20 mp_lock:b p10 held=p10\n21 wait_child:c p20 held=p20";
    let preview = previewed(scene, &[20]);
    assert_eq!(preview.left.len(), 1, "{preview:?}");
    let instead: Vec<i32> = preview.instead.iter().map(|held| held.proc.pid).collect();
    assert_eq!(instead, [10, 20, 21], "whichever one dies, the other has to");
    let text = drawn(scene, &[20]);
    assert!(text.contains("LEAVE LOCKED FOR EVER multiprocessing.Lock: :1#1 (pid 10, prog) waits"));
    assert!(text.contains("still stuck then\n  :1#1 (pid 10, prog) waits 41 s for"), "{text}");
    assert!(text.contains("better: kill "), "{text}");
}

#[test]
fn of_a_mixed_circle_the_one_with_the_file_lock_is_the_better_victim() {
    let scene = "10 file_lock:a p20 held=p20\n20 mp_lock:b p10 held=p10";
    let preview = previewed(scene, &[10]);
    assert_eq!(preview.fates[0].fate, Fate::Kept);
    assert_eq!(preview.instead.iter().map(|h| h.proc.pid).collect::<Vec<_>>(), [20]);
    assert!(previewed(scene, &[20]).instead.is_empty());
}

#[test]
fn somebody_who_has_nothing_releases_nobody() {
    let text = drawn("10 runs\n20 runs", &[10]);
    assert_eq!(
        text,
        "a kill of prog (pid 10) would\n  release nobody: nobody is seen to wait for what it has\n"
    );
}
