//! Which core the CPU time of a run was used on: an estimate. Pure.
//!
//! The kernel tells where a process last ran, not where it ran before; but no core can have
//! been used by the run for longer than it was busy.

use crate::model::CoreShares;

/// CPU time of one process, in percent of one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// Where it last ran; `None` for what ended children did.
    pub core: Option<u32>,
    pub percent: f32,
}

/// Fills in [`CoreShares::run`]: each use goes to its core as far as that was busy, the rest to
/// all cores by what is left of their busy time.
pub fn spread(cores: &mut [CoreShares], uses: &[Use]) {
    for core in cores.iter_mut() {
        core.run = 0.0;
    }
    let mut rest = 0.0;
    for used in uses {
        let core = used.core.and_then(|n| cores.iter_mut().find(|c| c.core == n));
        let taken = core.map_or(0.0, |core| {
            let taken = used.percent.min((core.busy() - core.run).max(0.0));
            core.run += taken;
            taken
        });
        rest += used.percent - taken;
    }
    let room: f32 = cores.iter().map(|c| (c.busy() - c.run).max(0.0)).sum();
    if room <= 0.0 {
        return;
    }
    let part = (rest / room).clamp(0.0, 1.0);
    for core in cores {
        core.run += (core.busy() - core.run).max(0.0) * part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cores that are so busy, and what the run has of each, in whole percents.
    fn run(busy: &[f32], uses: &[(Option<u32>, f32)]) -> Vec<f32> {
        let core = |(n, user): (usize, &f32)| CoreShares {
            core: n as u32,
            user: *user,
            run: 55.0,
            ..CoreShares::default()
        };
        let mut cores: Vec<CoreShares> = busy.iter().enumerate().map(core).collect();
        let uses: Vec<Use> =
            uses.iter().map(|(core, percent)| Use { core: *core, percent: *percent }).collect();
        spread(&mut cores, &uses);
        cores.iter().map(|c| c.run.round()).collect()
    }

    #[test]
    fn a_process_counts_on_the_core_it_last_ran_on() {
        assert_eq!(run(&[90.0, 50.0], &[(Some(1), 40.0)]), [0.0, 40.0]);
        assert_eq!(run(&[90.0, 50.0], &[(Some(0), 30.0), (Some(0), 30.0)]), [60.0, 0.0]);
    }

    #[test]
    fn no_core_is_used_more_than_it_was_busy() {
        // It has moved: what does not fit was used elsewhere.
        assert_eq!(run(&[90.0, 50.0], &[(Some(1), 80.0)]), [30.0, 50.0]);
        assert_eq!(run(&[10.0, 20.0], &[(Some(0), 300.0)]), [10.0, 20.0]);
    }

    #[test]
    fn what_has_no_place_goes_where_there_is_room() {
        assert_eq!(run(&[80.0, 40.0, 0.0], &[(None, 60.0)]), [40.0, 20.0, 0.0]);
        assert_eq!(run(&[50.0], &[(Some(7), 20.0)]), [20.0], "a core that went offline");
        assert_eq!(run(&[50.0, 50.0], &[]), [0.0, 0.0]);
        assert_eq!(run(&[0.0], &[(None, 5.0)]), [0.0]);
    }
}
