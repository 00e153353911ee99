// What a journal tells those who count: for metrics and the log, which the journal itself does not know.
#pragma once

#include <functional>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"

namespace minato {

// Where commits run. kAdaptive: on the submitting thread while load is light, else on the journal's own thread.
// kThread: always on its own. kRealtimeThread: the same, with SCHED_FIFO where the system permits it (CAP_SYS_NICE),
// which keeps fdatasync's wake-up from waiting behind other programs; silently normal where it does not.
enum class CommitMode : std::uint8_t { kAdaptive, kThread, kRealtimeThread };

struct CommitFigures {
  std::size_t submissions = 0;
  std::size_t records = 0;
  std::size_t bytes = 0;
  Deadline::duration time{};  // of the commit: write and fdatasync, or the transaction
};

struct SealFigures {
  Seq first, last;
  std::uint64_t raw_bytes = 0;
  std::uint64_t sealed_bytes = 0;
};

// Called on the thread that did the work: must not block and must not call the journal. Any may be empty.
struct JournalEvents {
  std::function<void(const CommitFigures&)> committed;
  std::function<void(const Error&)> refused_for_good;  // once: the process should stop
  std::function<void(bool low)> space_low;             // when it begins (true) and when it ends
  std::function<void(const SealFigures&)> sealed;
  std::function<void(const Error&)> maintenance_failed;  // sealing; tried again later
};

}  // namespace minato
