use super::*;
use std::process::{Child, Command};

struct Heard(ProcRef);

impl From<Ended> for Heard {
    fn from(Ended(proc): Ended) -> Heard {
        Heard(proc)
    }
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

fn no_attempt(_: AttemptId) -> bool {
    false
}

fn on_a_runtime(story: impl AsyncFnOnce()) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story());
}

#[test]
fn the_end_of_a_process_is_heard_and_its_connections_ask_no_more() {
    on_a_runtime(async || {
        let (to, mut heard) = mpsc::channel(8);
        let mut broker: Broker<Heard> = Broker::new(to);
        let mut child = sleeper();
        let pid = pid_of(&child);
        broker.join(1, pid, None, Claim::default());
        broker.join(2, pid, None, Claim::default());
        let party = broker.party(1, Some(7), None, no_attempt).unwrap();
        assert_eq!(broker.party(2, Some(7), None, no_attempt).unwrap(), party);
        assert_eq!((party.proc.unwrap().pid, party.thread), (pid, Some(7)));
        child.kill().unwrap();
        // A zombie has ended, though its parent has not looked.
        let Heard(proc) = heard.recv().await.unwrap();
        assert_eq!(Some(proc), party.proc);
        broker.ended(proc);
        let refusal = broker.party(2, None, None, no_attempt).unwrap_err();
        assert_eq!(refusal.error, Failure::Gone);
        assert!(broker.leave(1) && !broker.leave(1));
        broker.join(3, pid, None, Claim::default());
        assert_eq!(broker.party(3, None, None, no_attempt).unwrap_err().error, Failure::Gone);
        child.wait().unwrap();
    });
}

#[test]
fn another_owner_has_to_live_and_to_be_of_this_user() {
    on_a_runtime(async || {
        let (to, _heard) = mpsc::channel(8);
        let mut broker: Broker<Heard> = Broker::new(to);
        broker.join(1, std::process::id().cast_signed(), None, Claim::default());
        let mut child = sleeper();
        let party = broker.party(1, None, Some(pid_of(&child)), no_attempt).unwrap();
        assert_eq!(party.proc.unwrap().pid, pid_of(&child));
        child.kill().unwrap();
        child.wait().unwrap();
        for (pid, failure) in
            [(pid_of(&child), Failure::Gone), (0, Failure::Invalid), (-1, Failure::Invalid)]
        {
            let refusal = broker.party(1, None, Some(pid), no_attempt).unwrap_err();
            assert_eq!(refusal.error, failure, "{refusal}");
        }
        assert_eq!(broker.party(9, None, None, no_attempt).unwrap_err().error, Failure::Invalid);
    });
}

#[test]
fn a_claim_that_does_not_hold_is_just_a_label() {
    let attempt = AttemptId { job: JobNo(17), n: 1 };
    let claim = Claim::new(Some(17), Some(1), None);
    assert_eq!(claim.checked(|a| a == attempt).attempt, Some(attempt));
    let label = |claim: &Claim| claim.checked(|_| false).label.unwrap();
    assert_eq!(&*label(&claim), ":17#1");
    assert_eq!(&*label(&Claim::new(Some(17), Some(1), Some("x"))), "x");
    let long = Claim::new(None, None, Some(&"ä".repeat(LABEL_BYTES)));
    assert_eq!(label(&long).len(), LABEL_BYTES);
}

#[test]
fn requests_in_flight_are_bounded() {
    on_a_runtime(async || {
        let (to, _heard) = mpsc::channel(8);
        let mut broker: Broker<Heard> = Broker::new(to);
        broker.join(1, std::process::id().cast_signed(), None, Claim::default());
        for _ in 0..ASKS_IN_FLIGHT {
            broker.party(1, None, None, no_attempt).unwrap();
        }
        let refusal = broker.party(1, None, None, no_attempt).unwrap_err();
        assert_eq!(refusal.error, Failure::TooLarge);
        broker.answered(1);
        broker.party(1, None, None, no_attempt).unwrap();
    });
}
