// The JSON objects that describe received messages in the journal (docs/formats/journal.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "flow/receive_judge.h"

namespace minato {

enum class Authority : std::uint8_t { kNone, kAuthoritative };

// Where a message stood in a frame that held several: with the bodies, it gives back the frame byte for byte.
struct BatchPlace {
  std::size_t index = 0;  // from 1
  std::size_t count = 0;
  std::string_view before;  // the frame's bytes since the message before
  std::string_view after;   // the frame's bytes behind the last message
};

struct MetaExtra {
  std::string_view ack;  // the code that was owed first; "" for silence
  Authority authority = Authority::kNone;
  std::string_view frame;  // name of the event that brought it, unless it was a whole frame
  std::optional<BatchPlace> place;
};

// The members that all records of one connection share, the object still open.
std::string peer_meta(std::string_view listener, std::string_view address, std::string_view identity);
// A whole object: of kHl7Received, or of kHl7Refused when the judgement has a fault.
std::string message_meta(std::string_view peer_meta, const Judgement& judgement, const MetaExtra& extra);
// Of kHl7Duplicate.
std::string duplicate_meta(std::string_view peer_meta, Seq of);

// What observe() needs of a record's meta; nullopt: it came by no listener (an operator edited it), or is not ours.
std::optional<std::string> identity_of(std::string_view meta);

}  // namespace minato
