// What new rules would change, field by field.
#include <algorithm>
#include <set>

#include "base/json_writer.h"
#include "flow/deliver_step.h"

namespace minato {
namespace {

// Differences shown of one output at most: a rule that rewrites everything is seen from these.
constexpr std::size_t kDifferencesMax = 200;
constexpr std::size_t kMessagesShownMax = 500;

struct Difference {
  std::string path, before, after;
};

std::string field_text(const hl7::Segment& segment, std::size_t field) {
  return segment.exists() && field <= segment.field_count() ? segment.field(field).text() : "";
}

void compare_segments(const hl7::Segment& before, const hl7::Segment& after, const std::string& name,
                      std::vector<Difference>& out) {
  const std::size_t fields =
      std::max(before.exists() ? before.field_count() : 0, after.exists() ? after.field_count() : 0);
  for (std::size_t field = 1; field <= fields && out.size() < kDifferencesMax; ++field) {
    const std::string old_text = field_text(before, field), new_text = field_text(after, field);
    if (old_text != new_text) out.push_back({name + "-" + std::to_string(field), old_text, new_text});
  }
}

std::vector<Difference> compare(const std::string& before, const std::string& after) {
  const auto old_message = hl7::Message::view(before), new_message = hl7::Message::view(after);
  std::vector<Difference> out;
  if (!old_message || !new_message) return out;
  std::set<std::string> ids;
  for (const hl7::Segment& segment : old_message->segments()) ids.emplace(segment.id());
  for (const hl7::Segment& segment : new_message->segments()) ids.emplace(segment.id());
  for (const std::string& id : ids) {
    const auto old_segments = old_message->segments(id), new_segments = new_message->segments(id);
    for (std::size_t n = 0; n < std::max(old_segments.size(), new_segments.size()); ++n) {
      compare_segments(n < old_segments.size() ? old_segments[n] : hl7::Segment(),
                       n < new_segments.size() ? new_segments[n] : hl7::Segment(),
                       id + "[" + std::to_string(n + 1) + "]", out);
    }
  }
  return out;
}

void write_names(JsonWriter& json, std::string_view key, const std::vector<const Route*>& routes) {
  json.key(key).begin_array();
  for (const Route* route : routes) json.value(route->name);
  json.end_array();
}

bool same_routes(const std::vector<const Route*>& before, const std::vector<const Route*>& after) {
  return std::ranges::equal(before, after,
                            [](const Route* a, const Route* b) { return a->name == b->name && a->to == b->to; });
}

}  // namespace

void DryRun::add(Seq seq, const hl7::Message& message, const RouteFacts& facts) {
  ++tried_;
  const auto before = before_.match(message, facts), after = after_.match(message, facts);
  bool different = !same_routes(before, after);
  std::string outputs;
  JsonWriter json(outputs);
  json.begin_array();
  for (const Route* route : after) {
    const auto made = after_.apply(*route, message);
    if (!made) {
      ++failures_;
      different = true;
      json.begin_object().member("route", route->name).member("error", made.error().what).end_object();
      continue;
    }
    // A rule that is new is compared with the message as it came; a known one with what it makes today.
    const Route* old_route = before_.find(route->name);
    const bool matched = old_route != nullptr && std::ranges::find(before, old_route) != before.end();
    const auto was = matched ? before_.apply(*old_route, message) : Result<std::string>(std::string(message.bytes()));
    const auto differences = compare(was ? *was : std::string(message.bytes()), *made);
    if (differences.empty()) continue;
    different = different || matched;
    json.begin_object().member("route", route->name).key("fields").begin_array();
    for (const Difference& d : differences) {
      json.begin_object().member("path", d.path).member("before", d.before).member("after", d.after).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  if (!different || ++different_ > kMessagesShownMax) return;
  std::string entry;
  JsonWriter line(entry);
  line.begin_object().member("seq", seq.value);
  write_names(line, "routes_before", before);
  write_names(line, "routes_after", after);
  line.key("outputs").raw(outputs).end_object();
  messages_ += (messages_.empty() ? "" : ",") + entry;
}

std::string DryRun::json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("version_before", before_.version()).member("version_after", after_.version());
  json.member("tried", tried_).member("different", different_).member("failures", failures_);
  json.key("messages").raw("[" + messages_ + "]").end_object();
  return out;
}

}  // namespace minato
