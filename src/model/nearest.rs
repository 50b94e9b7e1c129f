//! What somebody meant who wrote a wrong name.

/// Returns the known name nearest to a wrong one, if any is near enough to be meant.
///
/// Only short names and not too many are compared: the time grows with the product of the
/// lengths.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    const COMPARED: usize = 5000;
    const BEGINNING: usize = 3;
    if wrong.len() > LONGEST {
        return None;
    }
    let wrong_lower = wrong.to_lowercase().replace('-', "_");
    let known: Vec<&str> =
        known.into_iter().filter(|name| name.len() <= LONGEST).take(COMPARED).collect();
    let near = known
        .iter()
        .copied()
        .map(|name| (strsim::damerau_levenshtein(&wrong_lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| {
            *distance <= (wrong.chars().count().max(name.chars().count()) / 3).max(1)
                && *distance < wrong.chars().count().min(name.chars().count())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name);
    // A name that was not finished, if only one begins so.
    let mut begun =
        known.iter().copied().filter(|name| wrong.len() >= BEGINNING && name.starts_with(wrong));
    near.or_else(|| begun.next().filter(|_| begun.next().is_none()))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_names_are_offered() {
        let known = ["foreach", "needs", "run", "tty"];
        assert_eq!(nearest("forech", known), Some("foreach"));
        assert_eq!(nearest("for_each", known), Some("foreach"));
        assert_eq!(nearest("need", known), Some("needs"));
        assert_eq!(nearest("parallelism", known), None);
        assert_eq!(nearest("x", known), None);
        let tasks = ["compress", "verify", "verify-all"];
        assert_eq!(nearest("comp", tasks), Some("compress"));
        assert_eq!(nearest("ver", tasks), None);
    }
}
