//! Clients that take and give back locks in the memory, step by step, in random order, killed and
//! interrupted between any two of them: never do two have one lock, and at the end none is lost.

use super::*;
use crate::engine::locks::Told;
use crate::model::locks::LockKind;
use crate::plan::SharedRules;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::SeqCst;

const CLOSED: u64 = 4;
const HOLDER: u64 = 5;
const SINCE: u64 = 6;

/// Where a client is. Between two of these it may be killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Idle,
    /// It announced that it takes the lock, saw that the cell is open, has its permit, has
    /// written its name.
    Announced,
    SawOpen,
    Took,
    Named,
    Holds,
    /// It saw that it may give it back in the cell, announced it, took its name away, posted,
    /// and is done.
    MayGive,
    Giving,
    Nameless,
    Posted,
    Given,
    Asked(Asked),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Acquire,
    Release,
    Freed,
    Lost,
}

struct Client {
    proc: ProcRef,
    /// 0: it asks for everything.
    seat: u64,
    lock: usize,
    at: At,
    id: u64,
}

struct World {
    cells: Cells,
    table: LockTable,
    now: Mono,
    dice: u64,
    clients: Vec<Client>,
    names: [Name; 2],
    at: Vec<u64>,
    /// Who has each lock, as the clients see it.
    inside: [Option<ProcRef>; 2],
    /// Killed, and not heard of yet.
    unheard: Vec<ProcRef>,
    next_pid: i32,
    next_id: u64,
    /// No one is killed or interrupted any more, and nobody begins anything.
    calm: bool,
    log: Vec<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var("GANGER_SEED").is_ok() {
            let last = self.log.len().saturating_sub(400);
            println!("{}", self.log[last..].join("\n"));
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let names: [Name; 2] = ["a".into(), "b".into()];
        let mut world = World {
            cells: Cells::default(),
            table: LockTable::new(&SharedRules::default()),
            now: Mono(1),
            dice: seed,
            clients: Vec::new(),
            names,
            at: Vec::new(),
            inside: [None; 2],
            unheard: Vec::new(),
            next_pid: 1,
            next_id: 1,
            calm: false,
            log: Vec::new(),
        };
        for _ in 0..4 {
            let client = world.born(true);
            world.clients.push(client);
        }
        let client = world.born(false);
        world.clients.push(client);
        for name in world.names.clone() {
            let op =
                Op::FastOpen { name, kind: CellKind::Lock, max: None, bounded: false, cell: 0 };
            let party = world.party(0);
            let Ok(Passed::On(changes)) = world.cells.ask(&world.table, 0, 0, party, op, world.now)
            else {
                panic!("no cell")
            };
            if let Some(LockChange::Asked { op: Op::FastOpen { cell, .. }, .. }) = changes.last() {
                world.at.push(*cell);
            }
            world.apply(changes);
        }
        world
    }

    fn below(&mut self, n: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.dice;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }

    fn born(&mut self, seated: bool) -> Client {
        let proc = ProcRef { pid: self.next_pid, start_ticks: 1 };
        self.next_pid += 1;
        let party = Party { proc: Some(proc), thread: Some(1), ..Party::default() };
        let mut seat = 0;
        if seated {
            match self.cells.ask(&self.table, 0, 0, party, Op::FastAttach {}, self.now) {
                Ok(Passed::Answered(Given::Seat { seat: got }, Some(_))) => seat = got,
                _ => panic!("no seat"),
            }
        }
        Client { proc, seat, lock: 0, at: At::Idle, id: 0 }
    }

    fn party(&self, client: usize) -> Party {
        let proc = self.clients[client].proc;
        Party { proc: Some(proc), thread: Some(1), ..Party::default() }
    }

    fn word(&self, place: u64) -> &std::sync::atomic::AtomicU64 {
        self.cells.memory.as_ref().unwrap().word(place)
    }

    fn get(&self, place: u64) -> u64 {
        self.word(place).load(SeqCst)
    }

    fn set(&self, place: u64, word: u64) {
        self.word(place).store(word, SeqCst);
    }

    // ---- the broker's side

    fn apply(&mut self, changes: Vec<LockChange>) {
        for change in changes {
            if let LockChange::CellSeen { .. } = change {
                self.log.push(format!("{change:?}"));
            }
            for told in self.table.apply(self.now, &change) {
                if let Told::Answer { client, id, result } = told {
                    self.answered(client, id, result.is_ok());
                }
            }
        }
        for name in self.table.take_touched() {
            if let Some(permits) = self.table.openable(&name) {
                let told =
                    self.table.apply(self.now, &LockChange::CellOpened { name: name.clone() });
                assert!(told.is_empty());
                self.log.push(format!("open {name}"));
                self.cells.open(&name, permits);
            }
        }
    }

    fn answered(&mut self, client: u64, id: u64, ok: bool) {
        let Some(i) = self.clients.iter().position(|c| c.proc.pid as u64 == client) else { return };
        if self.clients[i].id != id {
            return;
        }
        let At::Asked(asked) = self.clients[i].at else { panic!("nothing was asked") };
        self.log.push(format!("{client} {asked:?} {ok}"));
        match asked {
            Asked::Acquire if ok => self.enter(i),
            Asked::Acquire | Asked::Freed => self.clients[i].at = At::Idle,
            Asked::Release => {
                assert!(ok, "{client} may not release {}", self.clients[i].lock);
                self.clients[i].at = At::Idle;
            }
            Asked::Lost => {
                self.set(self.clients[i].seat, 0);
                self.clients[i].at = At::Idle;
            }
        }
    }

    fn ask(&mut self, i: usize, asked: Asked, op: Op) {
        self.next_id += 1;
        let (id, party) = (self.next_id, self.party(i));
        self.clients[i].id = id;
        self.clients[i].at = At::Asked(asked);
        let client = self.clients[i].proc.pid as u64;
        match self.cells.ask(&self.table, client, id, party, op, self.now) {
            Ok(Passed::On(changes)) => self.apply(changes),
            _ => panic!("refused"),
        }
    }

    fn look_again(&mut self) {
        if self.cells.due().is_some_and(|at| at <= self.now) {
            let changes = self.cells.look_again(&self.table, self.now, None);
            self.apply(changes);
        }
    }

    fn hear_of_a_death(&mut self) {
        if self.unheard.is_empty() {
            return;
        }
        let i = self.below(self.unheard.len() as u64) as usize;
        let proc = self.unheard.swap_remove(i);
        let changes = self.cells.ended(&self.table, proc, self.now);
        self.apply(changes);
    }

    // ---- the clients' side

    fn enter(&mut self, i: usize) {
        let (proc, lock) = (self.clients[i].proc, self.clients[i].lock);
        if let Some(other) = self.inside[lock] {
            panic!("{} and {} are in {lock}", other.pid, proc.pid);
        }
        self.inside[lock] = Some(proc);
        self.clients[i].at = At::Holds;
    }

    fn kill(&mut self, i: usize) {
        let Client { proc, seat, .. } = self.clients[i];
        self.log.push(format!("kill {} at {:?}", proc.pid, self.clients[i].at));
        for inside in self.inside.iter_mut().filter(|inside| **inside == Some(proc)) {
            *inside = None;
        }
        self.clients[i] = self.born(seat != 0);
        self.unheard.push(proc);
        self.cells.left(proc.pid as u64);
        self.apply(vec![LockChange::Left { client: proc.pid as u64 }]);
    }

    fn interrupt(&mut self, i: usize) {
        let (proc, seat, lock) = (self.clients[i].proc, self.clients[i].seat, self.clients[i].lock);
        self.log.push(format!("interrupt {} at {:?}", proc.pid, self.clients[i].at));
        if self.inside[lock] == Some(proc) {
            self.inside[lock] = None;
        }
        self.ask(i, Asked::Lost, Op::FastLost { name: self.names[lock].clone(), seat });
    }

    fn step(&mut self, i: usize) {
        let (proc, seat, at) = (self.clients[i].proc, self.clients[i].seat, self.clients[i].at);
        let lock = self.clients[i].lock;
        let (name, cell) = (self.names[lock].clone(), self.at[lock]);
        let next = match at {
            At::Idle if self.calm => return,
            At::Idle => {
                self.clients[i].lock = self.below(2) as usize;
                if seat == 0 || self.below(8) == 0 {
                    return self.acquire(i);
                }
                self.set(seat, self.at[self.clients[i].lock]);
                At::Announced
            }
            At::Announced if self.get(cell + CLOSED) == 0 => At::SawOpen,
            At::SawOpen if self.get(cell) > 0 => {
                self.word(cell).fetch_sub(1, SeqCst);
                At::Took
            }
            At::Announced | At::SawOpen => {
                self.set(seat, 0);
                return self.acquire(i);
            }
            At::Took => {
                self.set(cell + HOLDER, seat);
                self.set(cell + SINCE, self.now.0 * 1000);
                At::Named
            }
            At::Named => {
                self.set(seat, 0);
                return self.enter(i);
            }
            At::Holds => {
                assert_eq!(self.inside[lock], Some(proc));
                if seat != 0 && self.get(cell + HOLDER) == seat && self.get(cell + CLOSED) == 0 {
                    At::MayGive
                } else {
                    self.inside[lock] = None;
                    let op = Op::Release { names: vec![name], anyone: false };
                    return self.ask(i, Asked::Release, op);
                }
            }
            At::MayGive => {
                self.inside[lock] = None;
                self.set(seat, cell);
                At::Giving
            }
            At::Giving => {
                self.set(cell + HOLDER, 0);
                At::Nameless
            }
            At::Nameless => {
                self.word(cell).fetch_add(1, SeqCst);
                At::Posted
            }
            At::Posted => {
                self.set(seat, 0);
                At::Given
            }
            At::Given if self.get(cell + CLOSED) != 0 => {
                return self.ask(i, Asked::Freed, Op::FastFreed { name });
            }
            At::Given => At::Idle,
            At::Asked(_) => return,
        };
        self.log.push(format!("{} {next:?} {lock}", proc.pid));
        self.clients[i].at = next;
    }

    fn acquire(&mut self, i: usize) {
        let name = self.names[self.clients[i].lock].clone();
        let timeout_ms = (self.below(4) == 0).then_some(0);
        let op = Op::Acquire { names: vec![name], kind: LockKind::Lock, shared: false, timeout_ms };
        self.ask(i, Asked::Acquire, op);
    }

    fn turn(&mut self) {
        self.now = self.now + Duration::from_micros(self.below(400));
        let i = self.below(self.clients.len() as u64) as usize;
        let stepping =
            !matches!(self.clients[i].at, At::Idle | At::Holds | At::Asked(_) | At::Given);
        match self.below(1000) {
            0..=14 if !self.calm => self.kill(i),
            15..=29 if !self.calm && stepping => self.interrupt(i),
            30..=79 => self.hear_of_a_death(),
            80..=129 => self.look_again(),
            _ => self.step(i),
        }
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..1500 {
        world.turn();
    }
    world.calm = true;
    for _ in 0..4000 {
        world.turn();
    }
    let at: BTreeMap<i32, At> = world.clients.iter().map(|c| (c.proc.pid, c.at)).collect();
    let busy: BTreeSet<&i32> =
        at.iter().filter(|(_, at)| **at != At::Idle).map(|(p, _)| p).collect();
    assert!(busy.is_empty(), "these hang: {at:?}, {:?}", world.table);
    // Each can be had, through the cell or by asking.
    for lock in 0..2 {
        for i in [0, 4] {
            world.clients[i].lock = lock;
            let names = vec![world.names[lock].clone()];
            let op =
                Op::Acquire { names, kind: LockKind::Lock, shared: false, timeout_ms: Some(0) };
            world.ask(i, Asked::Acquire, op);
            assert_eq!(world.clients[i].at, At::Holds, "{:?}", world.table);
            world.step(i);
            assert_eq!(world.get(world.at[lock]), 1, "it is not open again");
        }
    }
}

#[test]
fn killed_and_interrupted_between_any_two_steps_no_lock_is_lost_or_doubled() {
    if let Ok(seed) = std::env::var("GANGER_SEED") {
        return play(seed.parse().unwrap());
    }
    let many = std::env::var("GANGER_SEEDS").map_or(300, |n| n.parse().unwrap());
    for seed in 0..many {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed} (replay with GANGER_SEED={seed})");
    }
}
