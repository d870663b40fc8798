std = "ngx_lua"
max_line_length = 120
globals = { "kong" }
unused_args = false

-- Tests make Kong and nginx anew.
files["spec"] = { std = "+busted", globals = { "Kong", "ngx" } }
