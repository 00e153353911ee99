// The commands that ask the server's admin interface: messages, queue, registry, routes, status, backup, tokens.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/admin_client.h"
#include "app/commands.h"
#include "app/offline.h"
#include "app/table.h"
#include "base/json_writer.h"
#include "os/files.h"

namespace minato {
namespace {

std::string text(json::Value value) {
  if (const auto string = value.string()) return std::string(*string);
  if (value.kind() == json::Kind::kNumber) return std::string(value.number_text());
  return value.present() && !value.is_null() ? json::to_text(value) : "";
}

std::string joined(json::Value array) {
  std::string out;
  for (const auto entry : array.entries()) out += (out.empty() ? "" : ",") + text(entry.value);
  return out;
}

// 2026-11-24T05:06:07.000008Z → 2026-11-24 05:06:07
std::string short_time(json::Value value) {
  std::string out = text(value);
  if (out.size() < 19) return out;
  out[10] = ' ';
  return out.substr(0, 19);
}

void put(const std::string& out) { std::fwrite(out.data(), 1, out.size(), stdout); }

Result<std::string> input(const std::string& file) {
  return read_file(real_files(), file == "-" ? "/dev/stdin" : file, 160 * kMiB);
}

// Sends, parses and hands the answer to `show`; returns the exit status.
template <typename Show>
int ask(const AdminOptions& options, const char* method, const std::string& path, std::string body, const char* type,
        Show show) {
  auto client = AdminClient::open(options);
  if (!client) return report(client.error());
  const auto answer = client->send(method, path, std::move(body), type);
  if (!answer) return report(answer.error());
  const auto document = json::parse(*answer, {.bytes_max = 256 * kMiB});
  if (!document) return report(document.error());
  return show(document->root());
}

template <typename Show>
int ask(const AdminOptions& options, const std::string& path, Show show) {
  return ask(options, "GET", path, {}, "", show);
}

int print_json(json::Value root) {
  std::printf("%s\n", json::to_text(root).c_str());
  return kExitOk;
}

Table message_table(json::Value messages) {
  Table table({"SEQ", "RECEIVED", "TYPE", "CONTROL ID", "SENDER", "PATIENT", "BYTES", "ACK", "STATUS"});
  for (const auto entry : messages.entries()) {
    const json::Value m = entry.value;
    table.add({text(m["seq"]), short_time(m["received"]), text(m["type"]) + "^" + text(m["trigger"]),
               text(m["control_id"]), text(m["sender_application"]) + "|" + text(m["sender_facility"]),
               joined(m["patient_ids"]), text(m["bytes"]), text(m["ack"]), text(m["status"])});
  }
  return table;
}

std::string filter_json(const QueueOptions& options, bool preview) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("filter").begin_object();
  if (!options.step.empty()) json.member("step", options.step);
  json.member("message", options.origin);
  if (!options.from.empty()) json.member("from", options.from);
  if (!options.to.empty()) json.member("to", options.to);
  if (!options.items.empty()) {
    json.key("items").begin_array();
    for (const std::string& item : options.items) json.value(item);
    json.end_array();
  }
  json.end_object();
  if (preview) json.member("preview", true);
  if (options.action == "redrive") json.member("per_second", options.per_second);
  if (!options.reason.empty()) json.member("reason", options.reason);
  json.end_object();
  return body;
}

int list_items(const QueueOptions& options) {
  std::string path = "/api/v1/queue/items";
  add_query(path, "state", options.state);
  add_query(path, "step", options.step);
  if (options.origin) add_query(path, "message", std::to_string(*options.origin));
  add_query(path, "from", options.from);
  add_query(path, "to", options.to);
  add_query(path, "limit", std::to_string(options.limit));
  return ask(options.admin, path, [&](json::Value root) {
    if (options.admin.json) {
      print_lines(root["items"]);
      return kExitOk;
    }
    Table table({"ITEM", "MESSAGE", "STEP", "STATE", "RECEIVES", "ATTEMPTS", "REASON"});
    for (const auto entry : root["items"].entries()) {
      const json::Value item = entry.value;
      table.add({text(item["item"]), text(item["message"]), text(item["step"]), text(item["state"]),
                 text(item["receives"]), std::to_string(item["attempts"].size()), text(item["reason"])});
    }
    put(table.text());
    return kExitOk;
  });
}

int print_members(json::Value root) {
  for (const auto entry : root.entries())
    std::printf("%-20s %s\n", std::string(entry.key).c_str(), text(entry.value).c_str());
  return kExitOk;
}

int show_either(const AdminOptions& options, json::Value root) {
  return options.json ? print_json(root) : print_members(root);
}

std::vector<std::string> provider_row(json::Value row) {
  std::string name = text(row["family_name"]) + " " + text(row["given_name"]);
  if (name == " ") name = text(row["family_ideographic"]) + " " + text(row["given_ideographic"]);
  return {text(row["code"]), std::move(name), text(row["mails"]), text(row["language"]),
          text(row["full_detail"]) == "yes" ? "full" : "link"};
}

int list_registry(const RegistryOptions& options) {
  std::string path = "/api/v1/registry/" + options.what;
  if (options.what == "patients") add_query(path, "find", options.find);
  return ask(options.admin, path, [&](json::Value root) {
    if (options.admin.json) {
      print_lines(root[options.what]);
      return kExitOk;
    }
    Table table(options.what == "patients" ? std::vector<std::string>{"ID", "IDENTIFIERS", "NAME", "BIRTH DATE", "SEX"}
                                           : std::vector<std::string>{"CODE", "NAME", "MAIL", "LANGUAGE", "DETAIL"});
    for (const auto entry : root[options.what].entries()) {
      const json::Value row = entry.value;
      if (options.what == "providers") {
        table.add(provider_row(row));
        continue;
      }
      const json::Value name = (*row["names"].entries().begin()).value;
      const std::string full = row["names"].size() == 0 ? "" : text(name["family"]) + " " + text(name["given"]);
      std::string identifiers;
      for (const auto id : row["identifiers"].entries()) {
        identifiers += (identifiers.empty() ? "" : ",") + text(id.value["value"]);
      }
      table.add({text(row["id"]), identifiers, full, text(row["birth_date"]), text(row["sex"])});
    }
    put(table.text());
    return kExitOk;
  });
}

// The interface names patients by identifier, people by the number that `registry list` shows.
Result<std::string> identifier_of(AdminClient& client, const std::string& id) {
  MN_TRY(answer, client.get("/api/v1/registry/patients/" + http::percent_encode(id)));
  MN_TRY(document, json::parse(answer));
  const json::Value identifiers = document.root()["patient"]["identifiers"];
  if (identifiers.size() == 0) return fail(Errc::kRefused, "patient " + id + " has no identifier of its own");
  return json::to_text((*identifiers.entries().begin()).value);
}

Result<std::string> registry_change(AdminClient& client, const RegistryOptions& options) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("what", "patients").key("change").begin_object().member("op", options.action);
  MN_TRY(patient, identifier_of(client, options.id));
  if (options.action == "merge") {
    MN_TRY(survivor, identifier_of(client, options.into));
    json.key("survivor").raw(survivor).key("prior").raw(patient);
  } else {
    json.key("patient").raw(patient);
  }
  json.end_object().end_object();
  return body;
}

int change_registry(const RegistryOptions& options) {
  auto client = AdminClient::open(options.admin);
  if (!client) return report(client.error());
  auto body = registry_change(*client, options);
  if (!body) return report(body.error());
  return ask(options.admin, "POST", "/api/v1/registry/changes", std::move(*body), "application/json",
             [&](json::Value root) { return show_either(options.admin, root); });
}

}  // namespace

namespace {

// Filters that a listing without a server knows; the others need the server's parsing of times and names.
std::optional<MessageFilter> offline_filter(const MessagesOptions& options) {
  if (!options.from.empty() || !options.to.empty() || !options.status.empty() || !options.before.empty())
    return std::nullopt;
  MessageFilter out;
  if (!options.control_id.empty()) out.control_id = options.control_id;
  if (!options.mrn.empty()) out.patient_id = options.mrn;
  if (!options.listener.empty()) out.listener = options.listener;
  if (!options.type.empty()) out.message_type = options.type.substr(0, options.type.find('^'));
  if (const auto caret = options.type.find('^'); caret != std::string::npos)
    out.trigger = options.type.substr(caret + 1);
  if (!options.sender.empty()) out.sender_application = options.sender.substr(0, options.sender.find('|'));
  if (const auto bar = options.sender.find('|'); bar != std::string::npos)
    out.sender_facility = options.sender.substr(bar + 1);
  return out;
}

}  // namespace

int run_messages(const MessagesOptions& options) {
  if (options.admin.url.empty()) {
    auto client = AdminClient::open(options.admin);
    const auto alive = client ? client->get("/healthz") : Result<std::string>(std::unexpected(client.error()));
    if (!alive && may_read_offline(options.admin, alive.error())) {
      const auto filter = offline_filter(options);
      if (!filter) return report(Error{Errc::kRefused, "--from, --to, --status and --before need a running server"});
      return list_offline(options.admin, *filter, options.limit);
    }
  }
  std::string path = "/api/v1/messages";
  add_query(path, "control_id", options.control_id);
  add_query(path, "mrn", options.mrn);
  add_query(path, "type", options.type);
  add_query(path, "sender", options.sender);
  add_query(path, "listener", options.listener);
  add_query(path, "status", options.status);
  add_query(path, "from", options.from);
  add_query(path, "to", options.to);
  // Pages of the interface are at most a thousand; a larger limit takes several.
  std::uint32_t left = options.limit;
  std::string before = options.before;
  while (left > 0) {
    std::string page = path;
    add_query(page, "limit", std::to_string(std::min<std::uint32_t>(left, 1000)));
    add_query(page, "before", before);
    std::string next;
    const int status = ask(options.admin, page, [&](json::Value root) {
      const json::Value messages = root["messages"];
      left -= std::min<std::uint32_t>(left, static_cast<std::uint32_t>(messages.size()));
      if (messages.size() > 0) next = text(root["next"]);
      if (options.admin.json) {
        print_lines(messages);
      } else {
        put(message_table(messages).text());
      }
      return static_cast<int>(kExitOk);
    });
    if (status != kExitOk || next.empty()) return status;
    before = next;
  }
  return kExitOk;
}

int run_message_show(const MessageShowOptions& options) {
  const std::string path = "/api/v1/messages/" + std::to_string(options.seq);
  if (options.raw) {
    auto client = AdminClient::open(options.admin);
    if (!client) return report(client.error());
    const auto bytes = client->get(path + "/bytes");
    if (!bytes) return report(bytes.error());
    put(*bytes);
    return kExitOk;
  }
  return ask(options.admin, path, [&](json::Value root) {
    if (options.admin.json) return print_json(root);
    print_members(root["message"]);
    std::printf("\n%s\n", text(root["text"]).c_str());
    for (const auto entry : root["items"].entries()) {
      std::printf("still to do   %s %s %s %s\n", text(entry.value["item"]).c_str(), text(entry.value["step"]).c_str(),
                  text(entry.value["state"]).c_str(), text(entry.value["reason"]).c_str());
    }
    for (const auto entry : root["effects"].entries()) {
      std::printf("effect        %s to %s: %s %s\n", text(entry.value["kind"]).c_str(),
                  text(entry.value["destination"]).c_str(), text(entry.value["state"]).c_str(),
                  text(entry.value["outcome_time"]).c_str());
    }
    return static_cast<int>(kExitOk);
  });
}

int run_resubmit(const ResubmitOptions& options) {
  auto bytes = input(options.file);
  if (!bytes) return report(bytes.error());
  // A file as it went over the wire has MLLP's block around the message.
  if (bytes->starts_with('\x0b')) bytes->erase(0, 1);
  if (bytes->ends_with("\x1c\r")) bytes->resize(bytes->size() - 2);
  return ask(options.admin, "POST", "/api/v1/messages/" + std::to_string(options.seq) + "/resubmit", std::move(*bytes),
             "application/octet-stream", [&](json::Value root) { return show_either(options.admin, root); });
}

int run_queue(const QueueOptions& options) {
  if (options.action == "list") return list_items(options);
  if (options.action == "stats") {
    return ask(options.admin, "/api/v1/queue", [&](json::Value root) { return show_either(options.admin, root); });
  }
  return ask(options.admin, "POST", "/api/v1/queue/" + options.action, filter_json(options, options.preview),
             "application/json", [&](json::Value root) { return show_either(options.admin, root); });
}

int run_registry(const RegistryOptions& options) {
  if (options.action == "list") return list_registry(options);
  if (options.action == "merge" || options.action == "unmerge") return change_registry(options);
  const std::string base = "/api/v1/registry/" + options.what;
  if (options.action == "show") {
    return ask(options.admin, base + "/" + options.id, [&](json::Value root) { return print_json(root); });
  }
  if (options.action == "export") {
    auto client = AdminClient::open(options.admin);
    if (!client) return report(client.error());
    const auto csv = client->get(base + ".csv");
    if (!csv) return report(csv.error());
    put(*csv);
    return kExitOk;
  }
  auto csv = input(options.file);
  if (!csv) return report(csv.error());
  return ask(options.admin, "POST", base + "/import", std::move(*csv), "text/csv",
             [&](json::Value root) { return show_either(options.admin, root); });
}

int run_routes(const RoutesOptions& options) {
  if (options.action == "show") {
    auto client = AdminClient::open(options.admin);
    if (!client) return report(client.error());
    const auto toml = client->get("/api/v1/routes");
    if (!toml) return report(toml.error());
    put(*toml);
    return kExitOk;
  }
  auto rules = input(options.file);
  if (!rules) return report(rules.error());
  const bool apply = options.action == "apply";
  std::string path = apply ? "/api/v1/routes" : "/api/v1/routes/dry-run";
  if (!apply) add_query(path, "limit", options.action == "check" ? "0" : std::to_string(options.limit));
  return ask(options.admin, apply ? "PUT" : "POST", path, std::move(*rules), "application/toml",
             [](json::Value root) { return print_json(root); });
}

int run_status(const AdminOptions& options) {
  return ask(options, "/api/v1/status", [&](json::Value root) {
    if (options.json) return print_json(root);
    for (const auto part : root.entries()) {
      if (!part.value.is_object()) {
        std::printf("%-12s %s\n", std::string(part.key).c_str(), text(part.value).c_str());
        continue;
      }
      for (const auto entry : part.value.entries()) {
        std::printf("%-12s %-18s %s\n", std::string(part.key).c_str(), std::string(entry.key).c_str(),
                    text(entry.value).c_str());
      }
    }
    return static_cast<int>(kExitOk);
  });
}

int run_backup(const BackupOptions& options) {
  std::string body;
  std::error_code unknown;
  const auto directory = std::filesystem::absolute(options.directory, unknown);
  if (unknown) return report(Error{Errc::kRefused, "directory: " + unknown.message()});
  JsonWriter(body).begin_object().member("directory", directory.string()).end_object();
  return ask(options.admin, "POST", "/api/v1/backup", body, "application/json",
             [&](json::Value root) { return show_either(options.admin, root); });
}

int run_token(const TokenOptions& options) {
  if (options.action == "list") {
    return ask(options.admin, "/api/v1/tokens", [&](json::Value root) {
      if (options.admin.json) return print_json(root);
      for (const auto entry : root["tokens"].entries()) {
        std::printf("%-20s %s\n", text(entry.value["name"]).c_str(), joined(entry.value["scopes"]).c_str());
      }
      return static_cast<int>(kExitOk);
    });
  }
  if (options.action == "revoke") {
    return ask(options.admin, "DELETE", "/api/v1/tokens/" + http::percent_encode(options.name), {}, "",
               [&](json::Value root) { return show_either(options.admin, root); });
  }
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("name", options.name).key("scopes").begin_array();
  for (const std::string& scope : options.scopes) json.value(scope);
  json.end_array().end_object();
  return ask(options.admin, "POST", "/api/v1/tokens", body, "application/json", [&](json::Value root) {
    if (options.admin.json) return print_json(root);
    std::printf("%s\n", text(root["token"]).c_str());
    return static_cast<int>(kExitOk);
  });
}

}  // namespace minato
