#include "edge/admin/requests.h"

#include <algorithm>
#include <charconv>

namespace minato::admin {
namespace {

Result<ItemState> state_named(std::string_view name) {
  if (name == "waiting") return ItemState::kWaiting;
  if (name == "leased") return ItemState::kLeased;
  if (name == "parked") return ItemState::kParked;
  return fail(Errc::kRefused, "state must be waiting, leased or parked");
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<std::optional<std::string_view>> text_member(json::Value object, std::string_view name) {
  const json::Value member = object[name];
  if (!member.present()) return std::nullopt;
  const auto text = member.string();
  if (!text) return fail(Errc::kRefused, std::string(name) + " must be a text");
  return *text;
}

Result<std::optional<Time>> time_of(std::optional<std::string_view> text, std::string_view name) {
  if (!text) return std::nullopt;
  const auto time = from_rfc3339(*text);
  if (!time) return fail(Errc::kRefused, std::string(name) + " must be an RFC 3339 time such as 2026-11-24T05:06:07Z");
  return *time;
}

}  // namespace

Status only_parameters(const http::Request& request, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(known, name) == known.end()) return fail(Errc::kRefused, "unknown query parameter: " + name);
    if (request.query_parameters(name).size() > 1) return fail(Errc::kRefused, "query parameter given twice: " + name);
  }
  return {};
}

Status only_members(json::Value object, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return fail(Errc::kRefused, "a JSON object is expected");
  for (const auto entry : object.entries()) {
    if (std::ranges::find(known, entry.key) == known.end()) {
      return fail(Errc::kRefused, "unknown member: " + std::string(entry.key));
    }
  }
  return {};
}

std::optional<std::string> text_parameter(const http::Request& request, std::string_view name) {
  const auto value = request.query_parameter(name);
  if (!value || value->empty()) return std::nullopt;
  return std::string(*value);
}

Result<std::uint64_t> number_parameter(const http::Request& request, std::string_view name, std::uint64_t otherwise,
                                       std::uint64_t max) {
  const auto text = request.query_parameter(name);
  if (!text) return otherwise;
  const auto value = number(*text);
  if (!value || *value > max)
    return fail(Errc::kRefused, std::string(name) + " must be a number from 0 to " + std::to_string(max));
  return *value;
}

Result<std::optional<Time>> time_parameter(const http::Request& request, std::string_view name) {
  return time_of(request.query_parameter(name), name);
}

Result<Seq> seq_in_path(const http::Request& request, std::string_view name) {
  const auto value = number(request.path_parameter(name));
  if (!value || *value == 0) return fail(Errc::kNotFound, "no such message");
  return Seq{*value};
}

Result<ItemFilter> item_filter(const http::Request& request) {
  ItemFilter out;
  if (const auto state = text_parameter(request, "state")) {
    MN_TRY(value, state_named(*state));
    out.state = value;
  }
  out.step = text_parameter(request, "step");
  out.lane = text_parameter(request, "lane");
  MN_TRY(origin, number_parameter(request, "message", 0, ~std::uint64_t{0} >> 1));
  if (origin != 0) out.origin = Seq{origin};
  MN_TRY(from, time_parameter(request, "from"));
  MN_TRY(to, time_parameter(request, "to"));
  out.parked_from = from;
  out.parked_to = to;
  return out;
}

Result<bool> flag_member(json::Value object, std::string_view name) {
  const json::Value member = object[name];
  if (!member.present()) return false;
  const auto flag = member.boolean();
  if (!flag) return fail(Errc::kRefused, std::string(name) + " must be true or false");
  return *flag;
}

Result<std::vector<ItemId>> item_ids(json::Value items) {
  std::vector<ItemId> out;
  if (!items.present()) return out;
  // An empty list would mean no filter at all: everything instead of nothing.
  if (!items.is_array() || items.size() == 0)
    return fail(Errc::kRefused, "items must be a list of item ids, not empty");
  for (const auto entry : items.entries()) {
    const auto item = parse_item_id(entry.value.string_or(""));
    if (!item) return fail(Errc::kRefused, "items must be item ids such as \"12.0\"");
    out.push_back(*item);
  }
  return out;
}

Result<ItemFilter> item_filter(json::Value object) {
  ItemFilter out;
  if (!object.present()) return out;
  MN_CHECK(only_members(object, {"state", "step", "lane", "message", "from", "to", "items"}));
  MN_TRY(state, text_member(object, "state"));
  if (state) {
    MN_TRY(value, state_named(*state));
    out.state = value;
  }
  MN_TRY(step, text_member(object, "step"));
  if (step) out.step = *step;
  MN_TRY(lane, text_member(object, "lane"));
  if (lane) out.lane = *lane;
  if (object["message"].present()) {
    const auto origin = object["message"].unsigned_integer();
    if (!origin || *origin == 0) return fail(Errc::kRefused, "message must be a sequence number");
    out.origin = Seq{*origin};
  }
  MN_TRY(from_text, text_member(object, "from"));
  MN_TRY(from, time_of(from_text, "from"));
  MN_TRY(to_text, text_member(object, "to"));
  MN_TRY(to, time_of(to_text, "to"));
  out.parked_from = from;
  out.parked_to = to;
  MN_TRY(ids, item_ids(object["items"]));
  out.ids = std::move(ids);
  return out;
}

}  // namespace minato::admin
