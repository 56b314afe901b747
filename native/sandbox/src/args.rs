use std::path::PathBuf;

use caisson_engine::Class;

pub struct Args {
    pub class: Class,
    pub socket: PathBuf,
    pub slots: u32,
    pub memory_bytes: usize,
    pub queue: usize,
}

pub const MAX_SLOTS: u32 = 512;
pub const MAX_QUEUE: usize = 4_096;
const MAX_SOCKET_BYTES: usize = 107;

/// `--socket PATH [--class epoch|fuel] [--slots 1…512] [--memory-mib 1…128] [--queue 0…4096]`
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { class: Class::Epoch, socket: PathBuf::new(), slots: 128, memory_bytes: 128 << 20, queue: 256 };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--class" => args.class = Class::of(&value).ok_or("--class wants epoch or fuel")?,
            "--socket" => args.socket = PathBuf::from(value),
            "--slots" => args.slots = within(&name, &value, 1, u64::from(MAX_SLOTS))? as u32,
            "--memory-mib" => args.memory_bytes = (within(&name, &value, 1, 128)? as usize) << 20,
            "--queue" => args.queue = within(&name, &value, 0, MAX_QUEUE as u64)? as usize,
            _ => return Err(format!("{name} is no option")),
        }
    }
    let length = args.socket.as_os_str().len();
    if length == 0 || length > MAX_SOCKET_BYTES {
        return Err(format!("--socket wants a path of 1 to {MAX_SOCKET_BYTES} bytes"));
    }
    Ok(args)
}

fn within(name: &str, value: &str, min: u64, max: u64) -> Result<u64, String> {
    match value.parse() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(format!("{name} wants a number from {min} to {max}")),
    }
}
