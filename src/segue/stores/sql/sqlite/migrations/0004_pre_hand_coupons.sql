-- Codes of coupon pools, each handed to one send or showing. The release before hands out none.
CREATE TABLE coupons (
    number INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    pool TEXT NOT NULL,
    code TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    source TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX coupons_of_pool ON coupons (slot, pool, code);
CREATE INDEX coupons_free ON coupons (pool, number) WHERE source = '';
