// What one listener accepts, from whom, and how it answers. Plain options: who reads a configuration fills them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/charset/charset.h"
#include "format/hl7/tables.h"

namespace minato {

// A sender by MSH-3 and MSH-4: their first components as UTF-8, compared exactly. An empty member matches any value.
struct SenderName {
  std::string application = {};
  std::string facility = {};
};

// A sender that may change the registry: who it must be authenticated as, and how it must call itself.
struct AuthoritativeFeed {
  // "cert:<common name>", "cert-sha256:<64 hex digits>", or "address:" and an address or CIDR block; never empty.
  std::string identity = {};
  SenderName sender = {};
};

// What happens to a message whose bytes are not characters of the set that it declares. The bytes are kept in either
// case.
enum class InvalidText : std::uint8_t {
  kWarn,    // AA with a warning
  kRefuse,  // AE 102
};

enum class BatchAnswer : std::uint8_t {
  kOneEach,  // one block for each message of the batch, in order
  kBatch,    // one block that holds BHS, the answers, BTS
};

// In enhanced mode, a sender that asks for an application acknowledgement too (MSH-16) gets it after the accept
// acknowledgement.
enum class ApplicationAnswer : std::uint8_t {
  kSameLink,  // as the next block
  kWithheld,  // never, when an accept acknowledgement was sent: for senders that cannot read two blocks
};

struct ListenerRules {
  std::string listener = {};  // its configured name; also the label of its metrics
  hl7::HeaderRules header = {};
  std::vector<SenderName> senders_allowed = {};  // empty: everybody
  std::vector<AuthoritativeFeed> authoritative = {};
  std::optional<charset::Encoding> undeclared_default = {};  // what senders without MSH-18 really use
  InvalidText invalid_text = InvalidText::kWarn;
  BatchAnswer batch_answer = BatchAnswer::kOneEach;
  ApplicationAnswer application_answer = ApplicationAnswer::kSameLink;
};

}  // namespace minato
