// The few pages that a browser opens before there is a console: the notice behind a mail's link, and the login that it
// needs.
#include "edge/admin/admin.h"
#include "edge/admin/requests.h"

namespace minato::admin {
namespace {

constexpr std::string_view kLoginPage = R"(<!doctype html><html lang="ja"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Minato</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem;color:#123}
h1{font-size:1.4rem}input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box;border:1px solid #9ab}
button{font:inherit;margin-top:1rem;padding:.5rem 1.5rem;border:0;background:#0b5c7a;color:#fff}
p.e{color:#a00}</style></head>
<body><h1>港 Minato</h1>)";

constexpr std::string_view kLoginForm = R"(<form method="post" action="/login"><label>アクセストークン / Access token
<input type="password" name="token" autocomplete="current-password" autofocus required></label>
<input type="hidden" name="next" value="%NEXT%"><button>ログイン / Sign in</button></form></body></html>)";

// Only a path of ours: never a way to another site.
bool local_path(std::string_view path) {
  return path.starts_with("/notices/") && path.find_first_of("\"'<>\\ \r\n") == std::string_view::npos;
}

http::Response html(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"},
                      {"Cache-Control", "no-store"},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

http::Response login_page(int status, std::string_view next, std::string_view message) {
  std::string form(kLoginForm);
  form.replace(form.find("%NEXT%"), 6, local_path(next) ? next : "");
  std::string body(kLoginPage);
  if (!message.empty()) body += "<p class=e>" + std::string(message) + "</p>";
  return html(status, body + form);
}

http::Response login(const Services& services, const http::Request& request) {
  std::string token, next;
  std::string_view rest = request.body;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest = pair.size() == rest.size() ? std::string_view() : rest.substr(pair.size() + 1);
    if (pair.starts_with("token=")) token = http::form_decode(pair.substr(6)).value_or("");
    if (pair.starts_with("next=")) next = http::form_decode(pair.substr(5)).value_or("");
  }
  if (!services.tokens.principal(token)) {
    return login_page(401, next, "トークンが違います。 / This token is not known.");
  }
  http::Response response = html(303, "");
  response.headers.emplace_back("Location", local_path(next) ? next : "/login");
  response.headers.emplace_back("Set-Cookie", std::string(kSessionCookie) + "=" + token +
                                                  "; Path=/; HttpOnly; SameSite=Strict; Max-Age=28800" +
                                                  (request.over_tls ? "; Secure" : ""));
  return response;
}

http::Response notice(const Services& services, const http::Request& request) {
  const auto token = Tokens::token_of(request);
  const auto who = token ? services.tokens.principal(*token) : std::nullopt;
  if (!who) return login_page(401, request.path, "");
  if (!grants(who->scopes, "notices.read")) return login_page(403, request.path, "権限がありません。 / Not allowed.");
  auto page = services.notice_html(request.path_parameter("id"));
  if (!page) return http::problem(page.error());
  const Status noted = services.operations.note_access(who->name, "notice", request.path_parameter("id"));
  if (!noted) return http::problem(noted.error());
  return html(200, std::move(*page));
}

}  // namespace

Status add_page_routes(http::Router& router, const Services& services) {
  const Services* with = &services;
  const auto add = [&](std::string method, std::string pattern, http::Handler handler) {
    return router.add({.method = std::move(method),
                       .pattern = std::move(pattern),
                       .zone = std::string(http::kPublicZone),
                       .handler = std::move(handler),
                       .body_bytes_max = 8 * kKiB});
  };
  MN_CHECK(add("GET", "/login", [](const http::Request&) { return login_page(200, "", ""); }));
  MN_CHECK(add("POST", "/login", [with](const http::Request& request) { return login(*with, request); }));
  return add("GET", "/notices/{id}", [with](const http::Request& request) { return notice(*with, request); });
}

}  // namespace minato::admin
