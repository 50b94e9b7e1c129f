//! Who waits for whom.

pub struct Graph;
pub struct Found;
pub struct JobInfo;
