#include "dbus/direct_address.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::dbus;

namespace {

const char* const kFull =
    "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=-p,argv3=2222,argv4=--,argv5=root@a.example,"
    "argv6=systemd-stdio-bridge,argv7=--bus-path=unix:path=/run/bus";

DirectPolicy open_policy() {
  return {{"/usr/bin/ssh"}, {}, true};
}

Errc code_of(const std::string& text, const DirectPolicy& policy = open_policy()) {
  const auto address = resolve_direct_address(text, policy);
  cr_assert(!address, "%s was taken", text.c_str());
  return address.error().code;
}

}  // namespace

Test(direct_address, the_forms_that_there_are) {
  cr_assert(resolve_direct_address("unix:path=/run/bus", {})->is_local);
  cr_assert_eq(resolve_direct_address("unix:path=/run/bus", {})->text, "unix:path=/run/bus");
  cr_assert_eq(resolve_direct_address(kFull, open_policy())->text, kFull);
  cr_assert(!resolve_direct_address(kFull, open_policy())->is_local);
  cr_assert_eq(resolve_direct_address("ssh:a.example", open_policy())->text,
               "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=a.example,argv4=systemd-stdio-bridge");
  cr_assert_eq(resolve_direct_address("ssh:root@a:22", open_policy())->text,
               "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=-p,argv3=22,argv4=--,argv5=root@a,"
               "argv6=systemd-stdio-bridge");
  cr_assert_eq(resolve_direct_address("tcp:host=192.0.2.1,port=7", open_policy())->text,
               "tcp:host=192.0.2.1,port=7");
  cr_assert(resolve_direct_address("tcp:host=2001:db8::1,port=7", open_policy()).has_value());
}

Test(direct_address, nothing_else_is_run) {
  for (const char* text :
       {"unixexec:path=/usr/bin/ssh",
        "unixexec:path=/bin/sh,argv1=-c,argv2=id",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=-oProxyCommand=id,argv4=systemd-stdio-bridge",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=a@-b,argv4=systemd-stdio-bridge",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=a,argv4=sh",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=a,argv3=systemd-stdio-bridge",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=a,argv4=systemd-stdio-bridge,argv5=-x",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=a,argv4=systemd-stdio-bridge;unix:path=/b",
        "unixexec:path=/usr/bin/ssh,argv2=-xT,argv1=--,argv3=a,argv4=systemd-stdio-bridge",
        "unixexec:path=/usr/bin/ssh,argv1=-xT,argv2=--,argv3=a%20b,argv4=systemd-stdio-bridge",
        "ssh:",
        "ssh:-oX",
        "ssh:a:0",
        "ssh:a:70000",
        "ssh:a b",
        "tcp:host=a",
        "tcp:host=a@b,port=1",
        "tcp:host=192.0.2.1,port=1,family=ipv4",
        "unix:path=/a;unixexec:path=/b",
        "nonsense",
        ""}) {
    cr_assert_eq(code_of(text), Errc::invalid_argument, "%s", text);
  }
}

Test(direct_address, policy_decides) {
  cr_assert_eq(code_of("ssh:a", {}), Errc::refused_by_policy);
  cr_assert_eq(code_of(kFull, {{"/bin/other"}, {}, true}), Errc::refused_by_policy);
  cr_assert_eq(code_of(kFull, {{"/usr/bin/ssh"}, {"b.example"}, true}), Errc::refused_by_policy);
  cr_assert(resolve_direct_address(kFull, {{"/usr/bin/ssh"}, {"a.example"}, false}).has_value());
  cr_assert_eq(code_of("tcp:host=192.0.2.1,port=1", {{"/usr/bin/ssh"}, {}, false}), Errc::refused_by_policy);
}

Test(direct_address, what_only_root_may_ask_for) {
  for (const char* text : {"ssh:a", "unixexec:path=/x", "tcp:host=a,port=1"}) cr_assert(needs_root(text));
  for (const char* text : {"unix:path=/x", "system", "nonsense"}) cr_assert(!needs_root(text));
}
