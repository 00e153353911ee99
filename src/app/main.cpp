// The command line. CLI11 is expensive to include and stays in this file.
#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "app/version.h"

namespace minato {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 done; 1 it worked and the answer is no (refused, not found, check failed); 2 wrong command line "
    "or\n"
    "configuration; 3 the server or its data cannot be reached; 4 tried and failed.";

// Runs at most one command: the callback of the subcommand that was named stores its exit status here.
int exit_status = kExitUsage;

void add_admin(CLI::App& app, AdminOptions& admin) {
  app.add_option("--data-dir", admin.data_dir, "data directory of the server (finds its address and token)")
      ->capture_default_str();
  app.add_option("--url", admin.url, "address of the admin interface, instead of --data-dir");
  app.add_option("--token-file", admin.token_file, "file with the bearer token");
  app.add_option("--ca-file", admin.ca_file, "CA that signed the server's certificate");
  app.add_flag("--json", admin.json, "print JSON");
}

void add_serve(CLI::App& root) {
  static ServeOptions options;
  CLI::App* app = root.add_subcommand("serve", "run the server (without a configuration file: loopback only)");
  app->add_option("--config", options.config_file, "configuration file (TOML)");
  app->add_option("--data-dir", options.data_dir, "where everything is kept; made when missing");
  app->add_option("--mllp-port", options.mllp_port, "port of the first MLLP listener; 0: any free one");
  app->add_option("--http-port", options.http_port, "port of the admin interface; 0: any free one");
  app->callback([] { exit_status = run_serve(options); });
}

void add_send(CLI::App& root) {
  static SendOptions options;
  CLI::App* app = root.add_subcommand("send", "send HL7 messages over MLLP and print the answers");
  app->add_option("file", options.files, "files with one or more messages; - is standard input")->required();
  app->add_option("--host", options.host)->capture_default_str();
  app->add_option("--port", options.port)->capture_default_str();
  app->add_flag("--tls", options.tls, "connect with TLS");
  app->add_option("--ca-file", options.ca_file);
  app->add_option("--certificate-file", options.certificate_file, "our own certificate");
  app->add_option("--key-file", options.key_file);
  app->add_option("--timeout", options.timeout_s, "seconds to wait for each answer")->capture_default_str();
  app->add_flag("--json", options.json, "print JSON");
  app->callback([] { exit_status = run_send(options); });
}

void add_simulate(CLI::App& root) {
  static SimulateOptions options;
  CLI::App* app = root.add_subcommand("simulate", "play a synthetic hospital's morning into a server");
  app->add_option("--host", options.host)->capture_default_str();
  app->add_option("--port", options.port, "MLLP port")->capture_default_str();
  app->add_option("--seed", options.seed, "the same seed plays the same morning")->capture_default_str();
  app->add_option("--patients", options.patients)->capture_default_str()->check(CLI::Range(1, 100000));
  app->add_flag("--print", options.print_only, "write the messages to standard output instead of sending them");
  app->add_flag("--check", options.check, "wait until all is worked off and compare with what must come out");
  add_admin(*app, options.admin);
  app->callback([] { exit_status = run_simulate(options); });
}

void add_messages(CLI::App& root) {
  static MessagesOptions options;
  CLI::App* app = root.add_subcommand("messages", "search stored messages, newest first");
  add_admin(*app, options.admin);
  app->add_option("--control-id", options.control_id, "MSH-10");
  app->add_option("--mrn", options.mrn, "patient identifier");
  app->add_option("--type", options.type, "ADT or ADT^A01");
  app->add_option("--sender", options.sender, "MSH-3, or MSH-3|MSH-4");
  app->add_option("--listener", options.listener);
  app->add_option("--status", options.status,
                  "queued, done, parked, refused, duplicate, edited, discarded; with commas");
  app->add_option("--from", options.from, "received at or after (RFC 3339)");
  app->add_option("--to", options.to, "received before (RFC 3339)");
  app->add_option("--limit", options.limit)->capture_default_str();
  app->add_option("--before", options.before, "sequence to go on from");
  app->callback([app] {
    if (app->get_subcommands().empty()) exit_status = run_messages(options);
  });

  static MessageShowOptions show;
  CLI::App* show_app = app->add_subcommand("show", "one message and what became of it");
  show_app->add_option("seq", show.seq)->required();
  show_app->add_flag("--raw", show.raw, "its bytes as they came");
  add_admin(*show_app, show.admin);
  show_app->callback([] { exit_status = run_message_show(show); });

  static ResubmitOptions resubmit;
  CLI::App* resubmit_app = app->add_subcommand("resubmit", "put an edited copy in as a new message");
  resubmit_app->add_option("seq", resubmit.seq)->required();
  resubmit_app->add_option("--file", resubmit.file, "the edited message")->required();
  add_admin(*resubmit_app, resubmit.admin);
  resubmit_app->callback([] { exit_status = run_resubmit(resubmit); });
}

void add_queue_filter(CLI::App& app, QueueOptions& options) {
  app.add_option("--step", options.step, "process, mail, forward:NAME …; forward: means all of them");
  app.add_option("--message", options.origin, "sequence of the message that it is about");
  app.add_option("--from", options.from, "parked at or after (RFC 3339)");
  app.add_option("--to", options.to, "parked before (RFC 3339)");
  add_admin(app, options.admin);
}

void add_queue(CLI::App& root) {
  static QueueOptions stats, list, redrive, discard;
  CLI::App* app = root.add_subcommand("queue", "work still to be done, and dead letters");
  add_admin(*app, stats.admin);
  app->callback([app] {
    if (app->get_subcommands().empty()) exit_status = run_queue(stats);
  });
  CLI::App* list_app = app->add_subcommand("list", "items, oldest first");
  list.action = "list";
  list_app->add_option("--state", list.state, "waiting, leased or parked");
  list_app->add_option("--limit", list.limit)->capture_default_str();
  add_queue_filter(*list_app, list);
  list_app->callback([] { exit_status = run_queue(list); });

  CLI::App* redrive_app = app->add_subcommand("redrive", "let dead letters run again");
  redrive.action = "redrive";
  redrive_app->add_flag("--preview", redrive.preview, "say what would run, and which effects have happened already");
  redrive_app->add_option("--per-second", redrive.per_second, "pace; 0: at once")->capture_default_str();
  redrive_app->add_option("--item", redrive.items, "item ids");
  add_queue_filter(*redrive_app, redrive);
  redrive_app->callback([] { exit_status = run_queue(redrive); });

  CLI::App* discard_app = app->add_subcommand("discard", "give dead letters up");
  discard.action = "discard";
  discard_app->add_option("--reason", discard.reason)->required();
  discard_app->add_option("--item", discard.items, "item ids");
  add_queue_filter(*discard_app, discard);
  discard_app->callback([] { exit_status = run_queue(discard); });
}

CLI::App* add_registry_action(CLI::App& app, RegistryOptions& options, const char* action, const char* help) {
  CLI::App* sub = app.add_subcommand(action, help);
  options.action = action;
  add_admin(*sub, options.admin);
  sub->callback([&options] { exit_status = run_registry(options); });
  return sub;
}

void add_registry(CLI::App& root) {
  static RegistryOptions list, import, exported, show, merge, unmerge;
  CLI::App* app = root.add_subcommand("registry", "patients and providers");
  app->require_subcommand(1);
  const auto what = [](CLI::App* sub, RegistryOptions& options) {
    sub->add_option("what", options.what, "patients or providers")
        ->required()
        ->check(CLI::IsMember({"patients", "providers"}));
  };
  CLI::App* sub = add_registry_action(*app, list, "list", "find entries");
  what(sub, list);
  sub->add_option("--find", list.find, "identifier, name or mail address");
  sub = add_registry_action(*app, import, "import", "import a CSV file, all or nothing");
  what(sub, import);
  sub->add_option("file", import.file)->required();
  sub = add_registry_action(*app, exported, "export", "write the registry of providers as CSV");
  sub->add_option("what", exported.what, "providers")->required()->check(CLI::IsMember({"providers"}));
  sub = add_registry_action(*app, show, "show", "one entry with its history");
  what(sub, show);
  sub->add_option("id", show.id)->required();
  sub = add_registry_action(*app, merge, "merge", "merge one patient into another");
  sub->add_option("id", merge.id, "number of the patient that goes, as registry list shows it")->required();
  sub->add_option("into", merge.into, "number of the patient that stays")->required();
  sub = add_registry_action(*app, unmerge, "unmerge", "undo a merge");
  sub->add_option("id", unmerge.id, "number of the patient that was merged away")->required();
}

void add_config(CLI::App& root) {
  static ConfigOptions check, show;
  CLI::App* app = root.add_subcommand("config", "check a configuration file");
  app->require_subcommand(1);
  CLI::App* check_app = app->add_subcommand("check", "every fault with its line; exit status 2 if there is one");
  check.action = "check";
  check_app->add_option("file", check.file)->required();
  check_app->add_flag("--json", check.json, "print JSON");
  check_app->callback([] { exit_status = run_config(check); });
  CLI::App* show_app = app->add_subcommand("show", "the values that would be used");
  show.action = "show";
  show_app->add_option("file", show.file, "none: the defaults");
  show_app->add_flag("--json", show.json, "print JSON");
  show_app->callback([] { exit_status = run_config(show); });
}

void add_routes(CLI::App& root) {
  static RoutesOptions check, dry_run, apply, show;
  CLI::App* app = root.add_subcommand("routes", "rules that pass messages on");
  app->require_subcommand(1);
  const auto add = [&](RoutesOptions& options, const char* action, const char* help, bool with_file) {
    CLI::App* sub = app->add_subcommand(action, help);
    options.action = action;
    if (with_file) sub->add_option("file", options.file)->required();
    add_admin(*sub, options.admin);
    sub->callback([&options] { exit_status = run_routes(options); });
    return sub;
  };
  add(check, "check", "parse the rules and say every fault", true);
  CLI::App* dry = add(dry_run, "dry-run", "what the rules would change on stored messages, field by field", true);
  dry->add_option("--limit", dry_run.limit, "newest messages to try")->capture_default_str();
  add(apply, "apply", "make the rules those of the running server", true);
  add(show, "show", "the rules in use", false);
}

void add_housekeeping(CLI::App& root) {
  static AdminOptions status, verify;
  static BackupOptions backup;
  static RestoreOptions restore;
  CLI::App* app = root.add_subcommand("status", "what the server is doing");
  add_admin(*app, status);
  app->callback([] { exit_status = run_status(status); });

  app = root.add_subcommand("backup", "copy the journal while the server runs");
  app->add_option("directory", backup.directory, "new directory, on the server's machine")->required();
  add_admin(*app, backup.admin);
  app->callback([] { exit_status = run_backup(backup); });

  app = root.add_subcommand("restore", "make a data directory out of a backup");
  app->add_option("from", restore.from)->required();
  app->add_option("--data-dir", restore.data_dir)->required();
  app->callback([] { exit_status = run_restore(restore); });

  app = root.add_subcommand("verify", "read every stored byte and compare digests (the server must not run)");
  add_admin(*app, verify);
  app->callback([] { exit_status = run_verify(verify); });
}

void add_token(CLI::App& root) {
  static TokenOptions list, create, revoke;
  CLI::App* app = root.add_subcommand("token", "tokens of the admin interface");
  app->require_subcommand(1);
  const auto add = [&](TokenOptions& options, const char* action, const char* help) {
    CLI::App* sub = app->add_subcommand(action, help);
    options.action = action;
    add_admin(*sub, options.admin);
    sub->callback([&options] { exit_status = run_token(options); });
    return sub;
  };
  add(list, "list", "names and scopes");
  CLI::App* sub = add(create, "create", "make a token and print it, once");
  sub->add_option("name", create.name)->required();
  sub->add_option("--scope", create.scopes, "what it may do, for instance messages.read")->required();
  sub = add(revoke, "revoke", "end a token");
  sub->add_option("name", revoke.name)->required();
}

int run(int argc, char** argv) {
  CLI::App app(
      "Minato receives a hospital's HL7 v2 messages, keeps them, checks them, tells people and passes them on.",
      "minato");
  app.set_version_flag("--version", std::string("minato ") + kVersion);
  app.footer(kFooter);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  add_serve(app);
  add_send(app);
  add_simulate(app);
  add_messages(app);
  add_queue(app);
  add_registry(app);
  add_routes(app);
  add_config(app);
  add_housekeeping(app);
  add_token(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? kExitOk : kExitUsage;
  }
  return exit_status;
}

}  // namespace
}  // namespace minato

int main(int argc, char** argv) { return minato::run(argc, argv); }
