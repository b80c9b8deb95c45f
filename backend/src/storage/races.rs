//! Work that is run again because somebody else changed the same rows first.

/// Runs a piece of work, which has a transaction of its own, until it has won its races: at most `tries` times.
pub async fn until_won<T, E, F>(
    tries: usize,
    is_race: fn(&E) -> bool,
    mut work: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for _ in 1..tries {
        match work().await {
            Err(error) if is_race(&error) => {}
            done => return done,
        }
    }
    work().await
}
