// What each feed's messages leave unsaid: the domain of identifiers without an assigning authority, the offset of times
// without a zone.
#pragma once

#include <string>
#include <vector>

#include "format/hl7/message.h"
#include "record/adt.h"

namespace minato {

struct FeedEntry {
  std::string application, facility;  // MSH-3.1, MSH-4.1; "*" any
  FeedRules rules;
};

// Immutable: any thread may ask. The first entry that matches counts.
class FeedBook {
 public:
  FeedBook(std::vector<FeedEntry> entries, FeedRules otherwise)
      : entries_(std::move(entries)), otherwise_(std::move(otherwise)) {}
  const FeedRules& rules_of(const hl7::Message& message) const;

 private:
  std::vector<FeedEntry> entries_;
  FeedRules otherwise_;
};

}  // namespace minato
