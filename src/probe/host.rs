//! What machine this is: read once, by sysinfo.

use crate::model::MachineInfo;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// Returns host name, kernel and processor; what the system does not tell stays empty.
///
/// Takes some milliseconds: the processors' description is long on large machines.
pub fn machine_info() -> MachineInfo {
    let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(cpus).ok();
    let brand = system.as_ref().and_then(|system| system.cpus().first()).map(|cpu| cpu.brand());
    MachineInfo {
        host: System::host_name().unwrap_or_default(),
        kernel: System::kernel_version().map(|v| format!("Linux {v}")).unwrap_or_default(),
        cpu: brand.unwrap_or_default().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_a_name_and_a_kernel() {
        let info = super::machine_info();
        assert!(!info.host.is_empty());
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(info.kernel, format!("Linux {}", release.trim()));
    }
}
