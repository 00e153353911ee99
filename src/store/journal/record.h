// What stands in the journal. A record is a kind, the instant it was received, a JSON object that describes it and, for
// some kinds, bytes that are kept exactly. The kinds and the members of `meta` are specified in
// docs/formats/journal.md; numbers are never reused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"

namespace minato {

enum class RecordKind : std::uint16_t {
  kHl7Received = 1,      // body: the message's bytes
  kHl7Refused = 2,       // body: the bytes as they came
  kHl7Duplicate = 3,     // no body: the first one has it
  kOutcome = 10,         // a step ended
  kAttemptFailed = 11,   // a step failed and will be tried again
  kParked = 12,          // a step gave up: dead letter
  kEffectIntent = 13,    // an effect is about to leave
  kRedrive = 14,         // an operator's redrive
  kDiscard = 15,         // an operator gave dead letters up
  kRegistryImport = 20,  // body: CSV as given
  kRegistryChange = 21,  // one change by the admin interface
  kOperatorAction = 30,  // anything else a person did
  kAccess = 31,          // somebody read patient data
  kPurge = 40,           // what came before a sequence was removed
};

struct Record {
  RecordKind kind = RecordKind::kHl7Received;
  Time time;         // when it came to be
  std::string meta;  // one JSON object, UTF-8
  std::string body;  // exact bytes; may be empty
};

struct Entry {
  Seq seq;
  Record record;
};

// A lease that must still be held when the record is committed (PostgreSQL; see queue.h). Embedded journals ignore it:
// they have one process.
struct Fence {
  std::string lane;
  std::uint64_t epoch = 0;
};

}  // namespace minato
