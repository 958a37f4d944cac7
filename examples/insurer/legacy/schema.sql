-- The legacy insurer's tables, as they have grown since 1987, in PostgreSQL's words; `build` puts SQLite's in their place.
-- Amounts are cents (INTEGER) in old tables and decimals in newer ones. CHAR columns are padded with blanks, dates are
-- 'YYYYMMDD' with '00000000' for "none".

CREATE TABLE txlog (              -- one row per transaction, written before anything else
    tx_id  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx_ts  TIMESTAMPTZ NOT NULL,
    usr_id CHAR(8) NOT NULL,
    trn_cd CHAR(4) NOT NULL
);

CREATE TABLE ptymst (             -- party master
    pty_no  INTEGER PRIMARY KEY,
    pty_typ CHAR(1) NOT NULL,     -- P person, C company
    pty_nm  VARCHAR(60) NOT NULL,
    brt_dt  CHAR(8) NOT NULL,
    pst_cd  CHAR(10),
    cty     VARCHAR(40)
);

CREATE TABLE agtmst (             -- agent master
    agt_cd  CHAR(6) PRIMARY KEY NOT NULL,
    agt_nm  VARCHAR(60) NOT NULL,
    com_pct NUMERIC(5,2) NOT NULL
);

CREATE TABLE polmst (             -- policy master
    pol_no   CHAR(10) PRIMARY KEY NOT NULL,
    prd_cd   CHAR(4) NOT NULL,
    pol_sts  CHAR(2) NOT NULL,    -- Q quoted, A active, C cancelled, L lapsed
    pty_no   INTEGER NOT NULL,
    agt_cd   CHAR(6),
    eff_dt   CHAR(8) NOT NULL,
    exp_dt   CHAR(8) NOT NULL,
    cxl_dt   CHAR(8) NOT NULL,
    cxl_rsn  CHAR(2),
    prem_amt INTEGER NOT NULL,    -- cents a year
    ccy      CHAR(3) NOT NULL,
    pay_frq  CHAR(1) NOT NULL,    -- M, Q, A
    dsc_pct  NUMERIC(5,2),
    upd_usr  CHAR(8) NOT NULL,
    upd_ts   CHAR(14) NOT NULL,
    rct_ts   CHAR(14) NOT NULL    -- last nightly recalculation
);

CREATE TABLE covdtl (             -- coverage detail
    pol_no  CHAR(10) NOT NULL,
    cov_seq SMALLINT NOT NULL,
    cov_cd  CHAR(4) NOT NULL,
    sum_ins BIGINT NOT NULL,      -- cents
    ded_amt NUMERIC(9,2),
    cov_prm INTEGER NOT NULL,     -- cents a year
    upd_ts  CHAR(14) NOT NULL,
    PRIMARY KEY (pol_no, cov_seq)
);

CREATE TABLE clmhdr (             -- claim header
    clm_no  CHAR(12) PRIMARY KEY NOT NULL,
    pol_no  CHAR(10) NOT NULL,
    clm_sts CHAR(2) NOT NULL,     -- RG registered, AC accepted, RJ rejected, ST settled
    cau_cd  CHAR(3) NOT NULL,
    los_dt  CHAR(8) NOT NULL,
    rpt_dt  CHAR(8) NOT NULL,
    cls_dt  CHAR(8) NOT NULL,
    los_dsc VARCHAR(200),
    rsv_amt INTEGER NOT NULL,     -- cents
    set_amt NUMERIC(11,2),
    ccy     CHAR(3) NOT NULL,
    rej_rsn CHAR(2),
    hdl_id  CHAR(8),
    upd_ts  CHAR(14) NOT NULL
);

CREATE TABLE clmlin (             -- claim line
    clm_no  CHAR(12) NOT NULL,
    lin_no  SMALLINT NOT NULL,
    cov_cd  CHAR(4) NOT NULL,
    itm_dsc VARCHAR(80),
    clm_amt NUMERIC(11,2) NOT NULL,
    acc_amt NUMERIC(11,2),
    PRIMARY KEY (clm_no, lin_no)
);

CREATE TABLE clmpay (             -- claim payment
    clm_no  CHAR(12) NOT NULL,
    pay_seq SMALLINT NOT NULL,
    pye_no  INTEGER NOT NULL,
    pay_sts CHAR(1) NOT NULL,     -- A authorized, I issued, R reversed
    pay_amt NUMERIC(11,2) NOT NULL,
    ccy     CHAR(3) NOT NULL,
    pay_mth CHAR(2) NOT NULL,     -- BT bank transfer, CQ cheque
    iban    VARCHAR(34),
    aut_dt  CHAR(8) NOT NULL,
    iss_dt  CHAR(8) NOT NULL,
    rev_dt  CHAR(8) NOT NULL,
    rev_rsn CHAR(2),
    PRIMARY KEY (clm_no, pay_seq)
);
