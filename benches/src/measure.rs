//! Time and memory of this process.

/// Seconds of processor time that this process has used, user and system, all threads; from
/// Linux's `/proc/self/schedstat` and the task list, or `None` elsewhere.
pub fn cpu_seconds() -> Option<f64> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let mut nanoseconds = 0;
    for task in tasks {
        let path = task.ok()?.path().join("schedstat");
        let line = std::fs::read_to_string(path).ok()?;
        nanoseconds += line.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(nanoseconds as f64 / 1e9)
}

/// The most memory this process has held so far in bytes (Linux's `VmHWM`), or `None` elsewhere.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
