//! The binary.

fn main() -> std::process::ExitCode {
    hostlens::main()
}
