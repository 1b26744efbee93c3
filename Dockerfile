FROM python:3.13-slim
RUN useradd --create-home pageturner
WORKDIR /srv/pageturner
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
USER pageturner
CMD ["pageturner", "--help"]
