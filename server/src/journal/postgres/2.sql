-- Bodies are JSON of some thousand bytes: this way of making them smaller costs a fifth of the default one. Servers that
-- were built without it keep the default.
do $$ begin
    alter table journal alter column body set compression lz4;
    alter table rows alter column body set compression lz4;
exception when feature_not_supported or syntax_error then
    null;
end $$;
