#include <charconv>

#include "edge/admin/admin.h"
#include "edge/admin/requests.h"
#include "edge/admin/views.h"

namespace minato::admin {
namespace {

Result<PatientId> patient_in_path(const http::Request& request) {
  const std::string_view text = request.path_parameter("id");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return fail(Errc::kNotFound, "no such patient");
  return PatientId{value};
}

Result<std::vector<Patient>> find(const Services& services, const http::Request& request) {
  MN_CHECK(only_parameters(request, {"find", "limit"}));
  const auto text = text_parameter(request, "find");
  if (!text) return fail(Errc::kRefused, "find: an identifier or a name is needed");
  MN_TRY(limit, number_parameter(request, "limit", 50, 1000));
  MN_TRY(found, services.operations.find_patients(*text, limit));
  MN_CHECK(
      services.operations.note_access(request.principal.name, "patients", "search of " + std::to_string(found.size())));
  return found;
}

http::Response find_patients(const Services& services, const http::Request& request) {
  return answer(find(services, request), [](JsonWriter& json, const std::vector<Patient>& patients) {
    json.begin_object();
    write_list(json, "patients", patients);
    json.end_object();
  });
}

http::Response show_patient(const Services& services, const http::Request& request) {
  const auto id = patient_in_path(request);
  if (!id) return http::problem(id.error());
  const auto history = services.operations.patient_history(*id, 200);
  if (!history) return http::problem(history.error());
  const Status noted = services.operations.note_access(request.principal.name, "patient", std::to_string(id->value));
  if (!noted) return http::problem(noted.error());
  return answer(services.operations.patient(*id), [&](JsonWriter& json, const Patient& patient) {
    json.begin_object().key("patient");
    write(json, patient);
    write_list(json, "history", *history);
    json.end_object();
  });
}

http::Response list_providers(const Services& services, const http::Request& request) {
  const Status known = only_parameters(request, {"after", "limit"});
  if (!known) return http::problem(known.error());
  const auto limit = number_parameter(request, "limit", 100, 1000);
  if (!limit) return http::problem(limit.error());
  return answer(services.operations.providers(text_parameter(request, "after").value_or(""), *limit),
                [](JsonWriter& json, const std::vector<Provider>& providers) {
                  json.begin_object().key("providers").begin_array();
                  for (const Provider& provider : providers) json.raw(provider_json(provider));
                  json.end_array().end_object();
                });
}

http::Response show_provider(const Services& services, const http::Request& request) {
  return answer(services.operations.provider(request.path_parameter("code")),
                [](JsonWriter& json, const Provider& provider) { json.raw(provider_json(provider)); });
}

http::Response export_providers(const Services& services, const http::Request&) {
  std::vector<Provider> all;
  while (true) {
    auto page = services.operations.providers(all.empty() ? "" : all.back().code, 1000);
    if (!page) return http::problem(page.error());
    if (page->empty()) break;
    for (Provider& provider : *page) all.push_back(std::move(provider));
  }
  http::Response response;
  response.headers.emplace_back("Content-Type", "text/csv; charset=utf-8");
  response.body = provider_csv(all);
  return response;
}

http::Response import_csv(std::string_view what, const Services& services, const http::Request& request) {
  return answer(services.operations.import_registry(what, request.body, request.principal.name),
                [](JsonWriter& json, std::uint64_t rows) { json.begin_object().member("rows", rows).end_object(); });
}

http::Response import_patients(const Services& services, const http::Request& request) {
  return import_csv("patients", services, request);
}

http::Response import_providers(const Services& services, const http::Request& request) {
  return import_csv("providers", services, request);
}

// The body is the change of docs/formats/registry.md without `by`, which is whoever asks.
Result<std::string> change_meta(const http::Request& request) {
  MN_TRY(document, json::parse(request.body));
  if (!document.root().is_object()) return fail(Errc::kRefused, "a JSON object is expected");
  if (document.root()["by"].present()) return fail(Errc::kRefused, "by is written by the server");
  // What could never be applied must not become a record of the journal.
  MN_CHECK(only_members(document.root(), {"what", "change"}));
  const std::string_view what = document.root()["what"].string_or("");
  if (what != "patients" && what != "providers") return fail(Errc::kRefused, "what must be patients or providers");
  if (!document.root()["change"].is_object()) return fail(Errc::kRefused, "change must be an object");
  std::string meta;
  JsonWriter json(meta);
  json.begin_object();
  for (const auto entry : document.root().entries()) {
    json.key(entry.key);
    json::write(json, entry.value);
  }
  json.member("by", request.principal.name).end_object();
  return meta;
}

http::Response change(const Services& services, const http::Request& request) {
  auto meta = change_meta(request);
  if (!meta) return http::problem(meta.error());
  return answer(services.operations.change_registry(std::move(*meta)),
                [](JsonWriter& json, const RegistryLogEntry& entry) { write(json, entry); });
}

Result<EffectFilter> effect_filter(const Services& services, const http::Request& request) {
  EffectFilter out;
  MN_TRY(origin, number_parameter(request, "message", 0, ~std::uint64_t{0} >> 1));
  if (origin != 0) out.origin = Seq{origin};
  MN_TRY(patient, number_parameter(request, "patient", 0, ~std::uint64_t{0} >> 1));
  if (patient != 0) out.patient = PatientId{static_cast<std::int64_t>(patient)};
  if (const auto code = text_parameter(request, "provider")) {
    MN_TRY(provider, services.operations.provider(*code));
    out.provider = provider.id;
  }
  if (const auto kind = text_parameter(request, "kind")) {
    out.kind = effect_kind_named(*kind);
    if (!out.kind) return fail(Errc::kRefused, "kind must be mail, forward, webhook or file");
  }
  MN_TRY(from, time_parameter(request, "from"));
  MN_TRY(to, time_parameter(request, "to"));
  out.from = from;
  out.to = to;
  return out;
}

Result<EffectPage> find_effects(const Services& services, const http::Request& request) {
  MN_CHECK(only_parameters(request, {"message", "patient", "provider", "kind", "from", "to", "limit", "before"}));
  MN_TRY(filter, effect_filter(services, request));
  MN_TRY(limit, number_parameter(request, "limit", 100, 1000));
  MN_TRY(before, number_parameter(request, "before", 0, ~std::uint64_t{0} >> 1));
  const auto start = before == 0 ? std::nullopt : std::optional(static_cast<std::int64_t>(before));
  return services.operations.effects(filter, start, limit);
}

http::Response list_effects(const Services& services, const http::Request& request) {
  return answer(find_effects(services, request), [](JsonWriter& json, const EffectPage& page) {
    json.begin_object();
    write_list(json, "effects", page.rows);
    if (page.next) json.member("next", *page.next);
    json.end_object();
  });
}

http::Response list_changes(const Services& services, const http::Request& request) {
  const auto before = number_parameter(request, "before", 0, ~std::uint64_t{0} >> 1);
  if (!before) return http::problem(before.error());
  return answer(services.operations.registry_log(*before == 0 ? std::nullopt : std::optional(Seq{*before}), 100),
                [](JsonWriter& json, const std::vector<RegistryLogEntry>& entries) {
                  json.begin_object();
                  write_list(json, "changes", entries);
                  json.end_object();
                });
}

}  // namespace

Status add_registry_routes(http::Router& router, const Services& services) {
  const Services* with = &services;
  const auto add = [&](std::string method, std::string pattern, std::string scope, auto handler) {
    return router.add({.method = std::move(method),
                       .pattern = std::move(pattern),
                       .zone = "clinical",
                       .scope = std::move(scope),
                       .handler = [with, handler](const http::Request& request) { return handler(*with, request); },
                       .body_bytes_max = 64 * kMiB});
  };
  MN_CHECK(add("GET", "/api/v1/registry/patients", "registry.read", find_patients));
  MN_CHECK(add("GET", "/api/v1/registry/patients/{id}", "registry.read", show_patient));
  MN_CHECK(add("GET", "/api/v1/registry/providers", "registry.read", list_providers));
  MN_CHECK(add("GET", "/api/v1/registry/providers.csv", "registry.read", export_providers));
  MN_CHECK(add("GET", "/api/v1/registry/providers/{code}", "registry.read", show_provider));
  MN_CHECK(add("POST", "/api/v1/registry/patients/import", "registry.write", import_patients));
  MN_CHECK(add("POST", "/api/v1/registry/providers/import", "registry.write", import_providers));
  MN_CHECK(add("POST", "/api/v1/registry/changes", "registry.write", change));
  MN_CHECK(add("GET", "/api/v1/registry/changes", "registry.read", list_changes));
  return add("GET", "/api/v1/effects", "notices.read", list_effects);
}

}  // namespace minato::admin
