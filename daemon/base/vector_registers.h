#pragma once

namespace akm {

/// Clears the processor's vector registers that a function may change. memcpy goes through them, and what it
/// copied last would stay there, for who looks at the thread, as long as the thread sleeps. Call before a
/// long wait.
void wipe_vector_registers();

}  // namespace akm
