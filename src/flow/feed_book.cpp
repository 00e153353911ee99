#include "flow/feed_book.h"

namespace minato {
namespace {

bool matches(const std::string& pattern, const std::string& value) { return pattern == "*" || pattern == value; }

}  // namespace

const FeedRules& FeedBook::rules_of(const hl7::Message& message) const {
  const hl7::Segment msh = message.segment("MSH");
  const std::string application = msh.field(3).component(1).text();
  const std::string facility = msh.field(4).component(1).text();
  for (const FeedEntry& entry : entries_) {
    if (matches(entry.application, application) && matches(entry.facility, facility)) return entry.rules;
  }
  return otherwise_;
}

}  // namespace minato
