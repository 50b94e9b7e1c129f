//! Ids of runs that people can say and type: `brave-otter-x7k2`.

use std::io;

/// Characters of the tail: no `l`, `o`, `0`, `1`, which look alike.
const TAIL: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// First words; 64, so that six random bits choose one.
const ADJECTIVES: [&str; 64] = [
    "agile", "amber", "ample", "azure", "bold", "brave", "brief", "bright", "brisk", "calm",
    "candid", "civil", "clear", "clever", "coral", "crisp", "deft", "eager", "early", "easy",
    "exact", "fair", "fast", "fine", "fleet", "fond", "fresh", "gentle", "glad", "golden", "grand",
    "green", "happy", "hardy", "honest", "humble", "ideal", "jolly", "keen", "kind", "lively",
    "loyal", "lucid", "lucky", "merry", "mild", "modest", "neat", "noble", "patient", "plain",
    "proud", "quick", "quiet", "rapid", "ready", "robust", "sharp", "silver", "smooth", "steady",
    "sunny", "tidy", "warm",
];

/// Second words; 64.
const NOUNS: [&str; 64] = [
    "acorn", "alder", "aspen", "badger", "beaver", "birch", "bison", "brook", "canyon", "cedar",
    "cliff", "comet", "condor", "coral", "crane", "delta", "dove", "eagle", "elm", "falcon",
    "fern", "finch", "fjord", "fox", "glacier", "grove", "harbor", "hare", "hawk", "heron",
    "island", "ibis", "jay", "juniper", "kestrel", "lagoon", "lark", "lemur", "lynx", "maple",
    "marten", "meadow", "moose", "oak", "orchid", "osprey", "otter", "panda", "pine", "plover",
    "puffin", "quail", "raven", "reef", "river", "robin", "salmon", "sparrow", "stork", "swan",
    "tiger", "valley", "walrus", "wren",
];

/// Returns a new random id: `adjective-noun-xxxx`, 32 bits of chance.
///
/// # Errors
/// When the kernel gives no random bytes.
pub(super) fn random_id() -> io::Result<String> {
    let bits = u64::from_le_bytes(random_bytes()?);
    let pick = |shift: u32, mask: u64| usize::try_from(bits >> shift & mask).unwrap_or(0);
    let adjective = ADJECTIVES[pick(0, 63)];
    let noun = NOUNS[pick(6, 63)];
    let tail: String = (0..4).map(|i| char::from(TAIL[pick(12 + 5 * i, 31)])).collect();
    Ok(format!("{adjective}-{noun}-{tail}"))
}

fn random_bytes() -> io::Result<[u8; 8]> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is valid for its whole length; getrandom(2) writes no further.
    let n = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match usize::try_from(n) {
        // Up to 256 bytes come in one piece or not at all.
        Ok(n) if n == bytes.len() => Ok(bytes),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_two_words_and_a_tail_and_differ() {
        let ids: std::collections::HashSet<String> =
            (0..200).map(|_| random_id().unwrap()).collect();
        assert!(ids.len() > 195, "only {} different ids of 200", ids.len());
        for id in ids {
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(parts.len(), 3, "{id}");
            assert!(parts[0].len() >= 3 && parts[1].len() >= 3 && parts[2].len() == 4, "{id}");
            assert!(id.len() < 32, "{id} makes the socket path long");
        }
    }

    #[test]
    fn no_word_is_there_twice() {
        for words in [ADJECTIVES, NOUNS] {
            let set: std::collections::HashSet<_> = words.iter().collect();
            assert_eq!(set.len(), words.len());
        }
    }
}
