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

Result<ItemFilter> item_filter(json::Value object) {
  ItemFilter out;
  if (!object.present()) return out;
  MN_CHECK(only_members(object, {"state", "step", "lane", "message", "from", "to", "items"}));
  if (const auto state = object["state"].string()) {
    MN_TRY(value, state_named(*state));
    out.state = value;
  }
  if (const auto step = object["step"].string()) out.step = *step;
  if (const auto lane = object["lane"].string()) out.lane = *lane;
  if (const auto origin = object["message"].unsigned_integer()) out.origin = Seq{*origin};
  MN_TRY(from, time_of(object["from"].string(), "from"));
  MN_TRY(to, time_of(object["to"].string(), "to"));
  out.parked_from = from;
  out.parked_to = to;
  for (const auto entry : object["items"].entries()) {
    const auto item = parse_item_id(entry.value.string_or(""));
    if (!item) return fail(Errc::kRefused, "items must be item ids such as \"12.0\"");
    out.ids.push_back(*item);
  }
  return out;
}

}  // namespace minato::admin
